import { createEngine, type BackendModel } from '@esparse/engine';
import { describeModel } from '@esparse/model';
import { enginePerplexity } from './engine-perplexity.ts';

const VOCAB = 16;
const DESCRIPTION = describeModel({
  architectures: ['LlamaForCausalLM'],
  hidden_size: 8,
  intermediate_size: 16,
  num_hidden_layers: 1,
  num_attention_heads: 1,
  num_key_value_heads: 1,
  vocab_size: VOCAB,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
});

/** A device that gives the token after the last one a logit, and 0 to all others. */
function nextToken(logit: number): BackendModel {
  return {
    device: {},
    weightBytes: { mapped: 0, linears: 0, permutations: 0, denseLinears: 0, head: 0 },
    pages: 8,
    pageTokens: 8,
    pageBytes: 0,
    run: (parts) =>
      Promise.resolve(
        parts.map(({ tokens }) => {
          const logits = new Float32Array(tokens.length * VOCAB);
          tokens.forEach((token, i) => (logits[i * VOCAB + ((token + 1) % VOCAB)] = logit));
          return logits;
        }),
      ),
    close: () => Promise.resolve(),
  };
}

/** An engine on that device whose steps are shorter than a window. */
function engineOf(logit: number) {
  const about = {
    run: 'none',
    description: DESCRIPTION,
    config: {},
    verified: Promise.resolve(),
    maxContext: 32,
  };
  return createEngine(nextToken(logit), { ...about, maxStepTokens: 5 });
}

test('perplexity needs of an engine nothing but its steps, whatever its backend', async () => {
  const counting = Uint32Array.from({ length: 40 }, (_, i) => i % VOCAB);
  const found = await enginePerplexity({ engine: engineOf(3), tokens: counting, seqlen: 13 });
  expect(found.windows).toBe(3);
  const first = await enginePerplexity({ engine: engineOf(3), tokens: counting, seqlen: 13, windows: 2 });
  expect(first.perToken).toEqual(found.perToken.slice(0, 2));
  expect(found.perplexity).toBeCloseTo((Math.exp(3) + VOCAB - 1) / Math.exp(3), 9);
  const constant = await enginePerplexity({ engine: engineOf(0), tokens: counting, seqlen: 13 });
  expect(constant.perplexity).toBeCloseTo(VOCAB, 9);
});

test('logits that are not numbers are an error that names the window', async () => {
  const tokens = new Uint32Array(26);
  const found = enginePerplexity({ engine: engineOf(NaN), tokens, seqlen: 13 });
  await expect(found).rejects.toMatchObject({ kind: 'numeric', context: { window: 0 } });
});
