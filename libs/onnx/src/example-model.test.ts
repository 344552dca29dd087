import { checkpointWeights, openCheckpoint } from '@esparse/checkpoint';
import { ReferenceLlama, someTokens, type TinyConfig, type TinyTensor } from '@esparse/laws';
import { checkTensors, describeModel } from '@esparse/model';
import path from 'node:path';
import { createBlockRunner } from './runner/block-runner.ts';
import { embedTokens } from './runner/embed.ts';
import { createHead } from './runner/head.ts';

const EXAMPLE = path.join(__dirname, '../../../examples/models/llama-2m');

test('the likelihoods of the example model, read from its bf16 files, are those of the f64 reference', async () => {
  const checkpoint = await openCheckpoint(EXAMPLE);
  const description = describeModel(checkpoint.config);
  checkTensors(description, checkpoint.tensors);
  const weights = checkpointWeights(checkpoint);
  const tokens = someTokens(24, description.vocab);

  const runner = await createBlockRunner(description, { seqlen: tokens.length });
  let hidden = await embedTokens(description, weights, tokens, tokens.length);
  for (let block = 0; block < description.blocks; block++) {
    hidden = await (await runner.load(block, weights)).advance(hidden);
  }
  const head = await createHead(description, weights, { seqlen: tokens.length });
  const found = await head.nll(hidden, tokens);
  await Promise.all([runner.release(), head.release()]);

  const tensors = new Map<string, TinyTensor>();
  for (const [name, { shape }] of checkpoint.tensors) {
    tensors.set(name, { shape, dtype: 'F32', data: await weights.read(name) });
  }
  await checkpoint.close();
  const heads = { num_key_value_heads: 2, head_dim: 32, rope_theta: 10_000 };
  const reference = new ReferenceLlama({ ...checkpoint.config, ...heads } as TinyConfig, tensors);
  let expected = reference.embed(tokens);
  for (let block = 0; block < description.blocks; block++) expected = reference.block(block, expected).output;
  reference.nll(expected, tokens).forEach((value, i) => {
    expect(found[i]).toBeCloseTo(value, 4);
  });
});
