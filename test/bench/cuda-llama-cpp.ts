import { existsSync } from 'node:fs';
import path from 'node:path';
import { writeRandomStore } from '../support/random-store.ts';
import { ggufOf } from './decode/gguf-of.ts';
import { openLlamaCpp } from './decode/llama-cpp.ts';
import { heading, median, print } from './table.ts';

/** Sizes as configurations name them. */
interface Sizes {
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads: number;
  readonly vocab_size: number;
}

const ROUNDS = 4;

/**
 * Decoding of one sequence by llama.cpp on the GPU: the dense model in bf16, random weights.
 *
 * @param home where its file is written
 * @param options.folder where `node-llama-cpp` and its build for CUDA are installed
 * @param options.positions tokens in the cache
 */
export async function benchLlamaCpp(
  home: string,
  sizes: Sizes,
  { folder, positions, steps }: { folder: string; positions: number; steps: number },
): Promise<void> {
  const store = path.join(home, `llama-cpp-${sizes.hidden_size}-${sizes.num_hidden_layers}.zarr`);
  const shape = {
    hidden: sizes.hidden_size,
    intermediate: sizes.intermediate_size,
    blocks: sizes.num_hidden_layers,
    heads: sizes.num_attention_heads,
    kvHeads: sizes.num_key_value_heads,
    vocab: sizes.vocab_size,
    tiedHead: false,
  };
  if (!existsSync(store)) await writeRandomStore(store, shape, 'dense');
  const peer = await openLlamaCpp(await ggufOf(store), 4, folder, positions);
  heading(`llama.cpp, dense, ${positions} tokens in the cache`);
  print({ name: peer.system, measured: '' });
  const seconds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) seconds.push(await peer.decode(steps));
  peer.close();
  const step = median(seconds.slice(1));
  print({ name: 'a step of 1', measured: `${(step * 1e6).toFixed(0)} us` });
  print({ name: '  tokens a second', measured: (1 / step).toFixed(0) });
}
