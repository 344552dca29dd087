import { readFile, writeFile } from 'node:fs/promises';
import { writeCheckpoint } from '@esparse/checkpoint';
import { describeModel, tensorsOfBlock } from '@esparse/model';
import { esparse, esparseJson } from '../support/esparse.ts';
import { scratchFolder } from '../support/folders.ts';
import { randomBf16 } from '../support/random-model.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_EVALUATION } from '../support/repository.ts';
import { syntheticTokenizer } from '../support/synthetic-tokenizer.ts';

const CONFIG = { architectures: ['GPT2LMHeadModel'], n_embd: 48, n_layer: 2, n_head: 4, vocab_size: 601 };

const at = scratchFolder();
beforeAll(async () => {
  const description = describeModel(CONFIG);
  const stored = [0, 1].flatMap((block) => {
    const fused = description.fusedTensors!(block);
    const parts = new Set(fused.flatMap((one) => one.parts.map(({ name }) => name)));
    return [...fused, ...tensorsOfBlock(description, block).filter(({ name }) => !parts.has(name))];
  });
  // The mask of attention, which the published checkpoints carry.
  const mask = { name: 'transformer.h.0.attn.bias', shape: [1, 1, 8, 8] };
  const tensors = [...description.outerTensors, ...stored, mask].map(({ name, shape }, i) => ({
    ...{ name, shape, dtype: 'BF16' as const },
    data: () => randomBf16(shape, i + 1),
  }));
  await writeCheckpoint(at('model'), CONFIG, tensors);
  for (const { name, bytes } of syntheticTokenizer(600)) await writeFile(at('model', name), bytes);
  await writeFile(at('text.txt'), (await readFile(EXAMPLE_EVALUATION, 'utf8')).slice(0, 4000));
});

test('a GPT-2 is pruned, evaluated alike by both runtimes, and exported to what it was made from', async () => {
  const text = ['--text', at('text.txt'), '--seqlen', '32'];
  await esparseJson(
    ...['prune', '--model', at('model'), '--calibration', EXAMPLE_CALIBRATION, '--store', at('store')],
    ...['--pipeline', 'e-sparse-reconstruct', '--samples', '8', '--seqlen', '32'],
  );
  const perplexity = async (...args: string[]) =>
    Number((await esparseJson('eval', ...args, ...text)).perplexity);
  const native = await perplexity('--store', at('store'));
  expect((await perplexity('--store', at('store'), '--engine', 'onnx')) / native).toBeCloseTo(1, 4);
  // Of a checkpoint whose matrices are transposed, ONNX Runtime is the default.
  const dense = await perplexity('--model', at('model'));
  expect(dense).not.toBeCloseTo(native, 2);
  // It is served straight from copies of its matrices.
  const copies = ['--cache-dir', at('copies'), '--engine', 'native'];
  expect((await perplexity('--model', at('model'), ...copies)) / dense).toBeCloseTo(1, 4);
  expect(await esparse('export', '--store', at('store'), '--out', at('hf'))).toMatchObject({ code: 0 });
  expect((await perplexity('--model', at('hf'))) / native).toBeCloseTo(1, 4);
});
