import { setImmediate } from 'node:timers/promises';
import { EsparseError } from '@esparse/errors';
import { describeModel, type ModelDescription } from '@esparse/model';
import type {
  Backend,
  BackendModel,
  BackendOptions,
  BatchPart,
  SampledToken,
  StepOutput,
} from '../backends/backend.ts';
import { createEngine, type Engine } from '../engine.ts';
import { argmax } from '../sampling/argmax.ts';
import { topLogprobs } from '../sampling/log-probabilities.ts';
import { randomModel } from './test-store.ts';

/**
 * A backend of another kind than the processor's: it computes while others work, its pages have another size, and it
 * chooses tokens itself. Its next token is a function of all tokens before, which it reads back from its pages: a page
 * that two sequences shared would change a text.
 */
export interface StandInModel extends BackendModel {
  /** Tokens of each part of each step. */
  readonly steps: number[][];
  /** The next steps fail with it. */
  failure: Error | undefined;
}

export interface StandInOptions {
  readonly vocab: number;
  readonly device?: string | undefined;
  /** @default 10000 */
  readonly pages?: number | undefined;
  /** @default 1 */
  readonly pageTokens?: number | undefined;
}

export function standInModel({
  vocab,
  device = '0',
  pages = 10_000,
  pageTokens = 1,
}: StandInOptions): StandInModel {
  const memory = new Uint32Array(pages * pageTokens);
  const slotOf = (held: Int32Array, position: number): number => {
    const page = held[Math.floor(position / pageTokens)];
    if (page === undefined) throw new Error(`position ${position} is beyond the pages of its sequence`);
    return page * pageTokens + (position % pageTokens);
  };

  /** Writes the tokens of a part, and gives the hash of all tokens up to each of them. */
  const append = ({ sequence: { pages: held, length }, tokens }: BatchPart): number[] => {
    tokens.forEach((token, i) => (memory[slotOf(held, length + i)] = token));
    const hashes: number[] = [];
    let hash = 7;
    for (let position = 0; position < length + tokens.length; position++) {
      hash = (hash * 31 + memory[slotOf(held, position)]!) % 9973;
      if (position >= length) hashes.push(hash);
    }
    return hashes;
  };

  const outputOf = (part: BatchPart): StepOutput => {
    const hashes = append(part);
    const last = hashes.at(-1)!;
    switch (part.want) {
      case 'nothing':
        return undefined;
      case 'lastLogits':
        return standInLogits(last, vocab);
      case 'allLogits':
        return Float32Array.from(hashes.flatMap((hash) => [...standInLogits(hash, vocab)]));
      case 'token':
        return sampled(part, last, vocab);
    }
  };

  const model: StandInModel = {
    device: { standIn: device },
    weightBytes: { mapped: 0, linears: 0, permutations: 0, denseLinears: 0, head: 0 },
    pages,
    pageTokens,
    pageBytes: pageTokens * 4,
    steps: [],
    failure: undefined,
    async run(parts, signal) {
      await setImmediate();
      signal?.throwIfAborted();
      if (model.failure !== undefined) throw model.failure;
      model.steps.push(parts.map(({ tokens }) => tokens.length));
      return parts.map(outputOf);
    },
    close: () => Promise.resolve(),
  };
  return model;
}

/** The logits (vocab) after tokens of this hash. */
export function standInLogits(hash: number, vocab: number): Float32Array {
  return Float32Array.from({ length: vocab }, (_, token) => (((hash + 1) * (token + 3) * 7919) % 1009) / 100);
}

/** Chooses by a rule of its own where the temperature is above 0. */
function sampled({ sequence: { sampling } }: BatchPart, hash: number, vocab: number): SampledToken {
  const { temperature = 0, seed = 0, logprobs } = sampling;
  const logits = standInLogits(hash, vocab);
  const token = temperature === 0 ? argmax(logits) : (hash + seed) % vocab;
  return { token, logprobs: logprobs === undefined ? undefined : topLogprobs(logits, token, logprobs) };
}

/** An engine over the stand-in, without a store. */
export function standInEngine(options: Partial<StandInOptions> = {}): {
  engine: Engine;
  model: StandInModel;
} {
  const { config } = randomModel({ vocab_size: options.vocab ?? 50, max_position_embeddings: 4096 });
  const description = describeModel(config);
  const model = standInModel({ vocab: description.vocab, ...options });
  const about = { run: 'stand-in', description, config: {}, verified: Promise.resolve(), maxContext: 4096 };
  return { engine: createEngine(model, { ...about, maxStepTokens: 512 }), model };
}

/** Opens any stored model: reads nothing of it but its vocabulary. */
export const standInBackend: Backend = {
  open: (
    { description }: { description: ModelDescription },
    { device, kvBytes = 1 << 20 }: BackendOptions,
  ) => {
    if (device === 'broken') return Promise.reject(new EsparseError('unsupported', 'the device is broken'));
    const pageTokens = 4;
    const pages = Math.floor(kvBytes / (4 * pageTokens));
    return Promise.resolve(standInModel({ vocab: description.vocab, device, pages, pageTokens }));
  },
};
