import type { WeightSource } from '@esparse/checkpoint';
import { ReferenceLlama, someTokens, tinyLlama } from '@esparse/laws';
import { describeModel } from '@esparse/model';
import fc from 'fast-check';
import { embedTokens } from './embed.ts';
import { createHead, type HeadLimits } from './head.ts';

const SEQLEN = 12;
const GENEROUS: HeadLimits = { headBytes: 1 << 20, logitsBytes: 1 << 20 };

async function likelihoods(tied: boolean, limits: HeadLimits, spy?: (weights: WeightSource) => void) {
  const { config, tensors, weights } = tinyLlama({ tie_word_embeddings: tied });
  const description = describeModel(config);
  const tokens = someTokens(SEQLEN, config.vocab_size);
  const hidden = await embedTokens(description, weights, tokens, tokens.length);
  spy?.(weights);
  const head = await createHead(description, weights, { seqlen: SEQLEN, threads: 1 }, limits);
  const found = await head.nll(hidden, tokens);
  await head.nll(hidden, tokens);
  await head.release();
  const reference = new ReferenceLlama(config, tensors);
  return { found, expected: reference.nll(reference.embed(tokens), tokens) };
}

test.each([true, false])('likelihoods are those of the f64 reference, head tied: %s', async (tied) => {
  const { found, expected } = await likelihoods(tied, GENEROUS);
  expect(found).toHaveLength(SEQLEN - 1);
  found.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i]!, 4);
  });
});

test('however the vocabulary is cut, the likelihoods are the same but for rounding', async () => {
  const { found: whole } = await likelihoods(false, GENEROUS);
  const bytes = fc.integer({ min: 1, max: 8000 });
  await fc.assert(
    fc.asyncProperty(bytes, bytes, async (headBytes, logitsBytes) => {
      const { found } = await likelihoods(false, { headBytes, logitsBytes });
      found.forEach((value, i) => {
        expect(value).toBeCloseTo(whole[i]!, 4);
      });
    }),
    { seed: 1, numRuns: 12 },
  );
});

test('a head that fits is read once, a larger one is never read whole', async () => {
  let reads = 0;
  const count = (weights: WeightSource) => {
    const read = weights.read.bind(weights);
    weights.read = (name) => {
      if (name === 'lm_head.weight') reads++;
      return read(name);
    };
  };
  await likelihoods(false, GENEROUS, count);
  expect(reads).toBe(1);
  reads = 0;
  await likelihoods(false, { headBytes: 1000, logitsBytes: 1000 }, count);
  expect(reads).toBe(0);
});

test('a token outside the vocabulary, a window of another length and a lone token are refused', async () => {
  const { config, weights } = tinyLlama();
  const description = describeModel(config);
  await expect(createHead(description, weights, { seqlen: 1 })).rejects.toMatchObject({ kind: 'usage' });
  const head = await createHead(description, weights, { seqlen: 2 });
  const hidden = new Float32Array(2 * 32);
  await expect(head.nll(hidden, Uint32Array.of(1, 50))).rejects.toMatchObject({
    kind: 'checkpoint',
    message: expect.stringContaining('token 50 at position 1'),
  });
  await expect(head.nll(hidden, Uint32Array.of(1, 2, 3))).rejects.toMatchObject({ kind: 'internal' });
});

test('windows that are scored together do not disturb each other', async () => {
  const { config, weights } = tinyLlama();
  const description = describeModel(config);
  const head = await createHead(description, weights, { seqlen: SEQLEN });
  const windows = await Promise.all(
    [0, 1, 2].map(async (shift) => {
      const tokens = someTokens(SEQLEN + shift, config.vocab_size).slice(shift);
      return { tokens, hidden: await embedTokens(description, weights, tokens, tokens.length) };
    }),
  );
  const together = await Promise.all(windows.map(({ hidden, tokens }) => head.nll(hidden, tokens)));
  for (const [i, { hidden, tokens }] of windows.entries()) {
    expect(together[i]).toEqual(await head.nll(hidden, tokens));
  }
  await head.release();
});
