/**
 * `npm run bench:decode`: the promises of serving about speed and memory, side by side in one run. It writes two
 * stores of the LLaMA 1.1B shape with random weights, one packed 2:4 and one dense, and measures both in one engine.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
import { LLAMA_1B, writeRandomStore, type RandomLinears } from '../support/random-store.ts';
import { benchEngines } from './decode/engines.ts';
import { benchIntegers } from './decode/integers.ts';
import { benchLinears } from './decode/linears.ts';
import { benchOnnx } from './decode/onnx.ts';
import { benchPrefill } from './decode/prefill.ts';
import { benchProcess } from './decode/process.ts';
import { heading } from './table.ts';

interface Flags {
  readonly stores?: string;
  readonly threads: string;
  readonly only?: string[];
  readonly llamaCpp?: string;
}

const SECTIONS = ['engines', 'linears', 'integers', 'prefill', 'onnx', 'process'];

const flags = new Command('bench:decode')
  .option(
    '--stores <dir>',
    'where to keep the generated stores (3.3 GB; 8.4 GB with integers) for the next time (default: removed)',
  )
  .option('--threads <n>', 'threads that compute', '2')
  .option('--only <section...>', `of ${SECTIONS.join(', ')}`)
  .option('--llama-cpp <dir>', 'where node-llama-cpp is installed, for a peer that knows the processor')
  .parse()
  .opts<Flags>();

const scratch = flags.stores ?? (await mkdtemp(path.join(tmpdir(), 'esparse-bench-')));
try {
  const sparse = await generated('sparse', '2:4');
  const wanted = new Set(flags.only ?? SECTIONS);
  const isDenseWanted = wanted.has('engines') || wanted.has('linears');
  const dense = isDenseWanted ? await generated('dense', 'dense') : '';
  const threads = Number(flags.threads);
  if (wanted.has('engines')) await benchEngines(sparse, dense, threads);
  if (wanted.has('linears')) await benchLinears(sparse, dense, threads);
  if (wanted.has('integers')) {
    const stores = {
      bf16: sparse,
      int8: await generated('int8', '2:4-int8'),
      int4: await generated('int4', '2:4-int4'),
      denseInt8: await generated('dense-int8', 'dense-int8'),
      denseInt4: await generated('dense-int4', 'dense-int4'),
    };
    await benchIntegers(stores, threads, flags.llamaCpp);
  }
  if (wanted.has('prefill')) {
    const [int8, int4] = [await generated('int8', '2:4-int8'), await generated('int4', '2:4-int4')];
    await benchPrefill({ bf16: sparse, int8, int4 }, threads);
  }
  if (wanted.has('onnx')) await benchOnnx(sparse, threads);
  if (wanted.has('process')) await benchProcess(sparse, threads);
} finally {
  if (flags.stores === undefined) await rm(scratch, { recursive: true, force: true });
}

async function generated(name: string, linears: RandomLinears): Promise<string> {
  const directory = path.join(scratch, `llama-1.1b-${name}.zarr`);
  // `current` is written last: a store that was interrupted has none.
  if (existsSync(path.join(directory, 'current'))) return directory;
  heading(`writing a store of the 1.1B shape, linears ${linears}`);
  await rm(directory, { recursive: true, force: true });
  await writeRandomStore(directory, LLAMA_1B, linears);
  return directory;
}
