import type { WeightSource } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import {
  BLOCK_OUTPUT,
  outerTensor,
  requireSeqlen,
  type ModelDescription,
  type OpNamed,
} from '@esparse/model';
import { buildLogitsGraph, HEAD_ROWS, MAX, SUM } from '../graph/logits-graph.ts';
import { headPart } from '../graph/model-parts.ts';
import { buildProgramGraph } from '../graph/program-graph.ts';
import { readParametersOf, readTensor, requireSize } from './block-parameters.ts';
import { requireTokens } from './embed.ts';
import { createSession, type Value } from '../device/session.ts';

/** What the head may hold at once. */
export interface HeadLimits {
  /** Rows of the head, as f32. A whole head that is no larger is read once and kept. */
  readonly headBytes: number;
  /** Logits, as f32. */
  readonly logitsBytes: number;
}

/** Large enough that a chunk's matrix product outweighs its read, small beside one block of the models that need it. */
const LIMITS: HeadLimits = { headBytes: 64 << 20, logitsBytes: 64 << 20 };

export interface HeadOptions {
  /** Tokens of a sequence. At least 2: the first one is not predicted. */
  readonly seqlen: number;
  /** Threads of a run. @default the number of cores */
  readonly threads?: number | undefined;
  /** Ends the reading of what comes before the logits. */
  readonly signal?: AbortSignal | undefined;
}

/** What comes after the last block: final norm and logits. */
export interface Head {
  /**
   * The negative log-likelihood, in nats, of each token but the first: entry i is that of `tokens[i + 1]` given
   * those before it, (seqlen - 1).
   * @param hidden output of the last block, (seqlen x hidden)
   * @throws EsparseError 'checkpoint' where a token lies outside the vocabulary
   */
  nll(hidden: Float32Array, tokens: Uint32Array, signal?: AbortSignal): Promise<Float64Array>;
  /** Frees the sessions. */
  release(): Promise<void>;
}

/**
 * Prepares the head. The vocabulary is taken in chunks, so that memory does not grow with it: the log-sum-exp runs
 * over the chunks, in f64.
 */
export async function createHead(
  description: ModelDescription,
  weights: WeightSource,
  { seqlen, threads, signal }: HeadOptions,
  limits: HeadLimits = LIMITS,
): Promise<Head> {
  requireSeqlen(description, seqlen);
  if (seqlen < 2) throw new EsparseError('usage', 'seqlen 1 leaves nothing to predict: choose at least 2');
  const { hidden: width } = description;
  const rows = seqlen - 1;
  const op = logitsOf(description);
  const before = await beforeLogits(description, op, weights, { rows, threads, signal });
  const logits = await createSession(buildLogitsGraph(description, op, rows), { threads });
  const chunks = vocabularyChunks(description, op.weight, weights, rows, limits);
  const max = vector(rows);
  const sum = vector(rows);

  async function nll(hidden: Float32Array, tokens: Uint32Array, signal?: AbortSignal): Promise<Float64Array> {
    requireTokens(description, tokens);
    if (tokens.length !== seqlen || hidden.length !== seqlen * width) {
      throw new EsparseError(
        'internal',
        `a window of ${tokens.length} tokens, ${hidden.length} values of state`,
      );
    }
    const input = { data: hidden.subarray(0, rows * width), shape: [rows, width] };
    const normal = await before.run(input);
    const total = new LogSumExp(rows);
    const target = new Float64Array(rows);
    for await (const { begin, rows: headRows, logits: out } of chunks(signal)) {
      await logits.run(
        new Map([
          [op.input, normal],
          [HEAD_ROWS, headRows],
        ]),
        new Map([
          [op.output, out],
          [MAX, max],
          [SUM, sum],
        ]),
      );
      total.add(max.data, sum.data);
      const size = headRows.shape[0]!;
      for (let i = 0; i < rows; i++) {
        const column = tokens[i + 1]! - begin;
        if (column >= 0 && column < size) target[i] = out.data[i * size + column]!;
      }
    }
    return total.values().map((value, i) => value - target[i]!);
  }

  // The buffers above serve one window at a time.
  let turn: Promise<unknown> = Promise.resolve();
  return {
    nll(hidden, tokens, signal) {
      const result = turn.then(() => nll(hidden, tokens, signal));
      turn = result.catch(() => undefined);
      return result;
    },
    async release() {
      await Promise.all([before.release(), logits.release()]);
    },
  };
}

/** The operation that a model ends with. */
function logitsOf({ family, program }: ModelDescription): OpNamed<'logits'> {
  const last = program.head.at(-1);
  if (last?.op === 'logits') return last;
  throw new EsparseError('internal', `model family '${family}': its head ends without logits`);
}

/** Between the last block and the logits: the final norm. */
interface BeforeLogits {
  /** What the logits are made from, (rows x channels): valid until the next run. */
  run(hidden: Value): Promise<Value>;
  release(): Promise<void>;
}

async function beforeLogits(
  description: ModelDescription,
  { input, weight }: OpNamed<'logits'>,
  weights: WeightSource,
  { rows, threads, signal }: Omit<HeadOptions, 'seqlen'> & { readonly rows: number },
): Promise<BeforeLogits> {
  if (input === BLOCK_OUTPUT) {
    return { run: (hidden) => Promise.resolve(hidden), release: () => Promise.resolve() };
  }
  const graph = buildProgramGraph(headPart(description), rows, [input]);
  const parameters = await readParametersOf(graph, weights, signal);
  const session = await createSession(graph.bytes, { threads });
  const output = matrix(rows, outerTensor(description, weight).shape[1]!);
  return {
    async run(hidden) {
      await session.run(new Map([[BLOCK_OUTPUT, hidden], ...parameters]), new Map([[input, output]]));
      return output;
    },
    release: () => session.release(),
  };
}

/** A running log Σ exp of each row, given piece by piece as a maximum and the sum relative to it. */
class LogSumExp {
  readonly #max: Float64Array;
  readonly #sum: Float64Array;

  constructor(rows: number) {
    this.#max = new Float64Array(rows).fill(-Infinity);
    this.#sum = new Float64Array(rows);
  }

  add(max: Float32Array, sum: Float32Array): void {
    for (let i = 0; i < max.length; i++) {
      const before = this.#max[i]!;
      const larger = Math.max(before, max[i]!);
      this.#sum[i] = this.#sum[i]! * Math.exp(before - larger) + sum[i]! * Math.exp(max[i]! - larger);
      this.#max[i] = larger;
    }
  }

  values(): Float64Array {
    return this.#max.map((max, i) => max + Math.log(this.#sum[i]!));
  }
}

interface VocabularyChunk {
  /** First token of the chunk. */
  readonly begin: number;
  /** The head's rows, (tokens x hidden). */
  readonly rows: Value;
  /** Where the logits go, (rows x tokens). */
  readonly logits: Value;
}

/** Walks the head in chunks within the limits; a head that is one chunk is read once and kept. */
function vocabularyChunks(
  description: ModelDescription,
  head: string,
  weights: WeightSource,
  rows: number,
  limits: HeadLimits,
): (signal?: AbortSignal) => AsyncGenerator<VocabularyChunk> {
  const [vocab, channels] = outerTensor(description, head).shape as [number, number];
  const size = headChunk(vocab, channels, rows, limits);
  const kept = vocab * channels * 4 <= limits.headBytes;
  const logits = new Float32Array(rows * size);
  let whole: Float32Array | undefined;
  return async function* (signal) {
    if (kept) whole ??= (await readTensor(weights, head, [vocab, channels], signal)).data;
    for (let begin = 0; begin < vocab; begin += size) {
      signal?.throwIfAborted();
      const end = Math.min(begin + size, vocab);
      const shape = [end - begin, channels];
      const data =
        whole?.subarray(begin * channels, end * channels) ??
        requireSize(head, shape, await weights.readRowRange(head, begin, end, signal));
      yield {
        begin,
        rows: { data, shape },
        logits: { data: logits.subarray(0, rows * (end - begin)), shape: [rows, end - begin] },
      };
    }
  };
}

/** Tokens of the vocabulary that are taken at once. */
function headChunk(vocab: number, hidden: number, rows: number, limits: HeadLimits): number {
  const byWeights = Math.floor(limits.headBytes / (4 * hidden));
  const byLogits = Math.floor(limits.logitsBytes / (4 * rows));
  return Math.max(1, Math.min(vocab, byWeights, byLogits));
}

function matrix(rows: number, cols: number): Value {
  return { data: new Float32Array(rows * cols), shape: [rows, cols] };
}

function vector(length: number): Value {
  return { data: new Float32Array(length), shape: [length] };
}
