import type { WeightSource } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { narrow } from '@esparse/kernels';
import { BLOCK_INPUT, outerTensor, type ModelDescription, type OpNamed } from '@esparse/model';
import { embedPart } from '../graph/model-parts.ts';
import { buildProgramGraph } from '../graph/program-graph.ts';
import { createSession, type Value } from '../device/session.ts';
import { readParametersOf, requireSize } from './block-parameters.ts';

/**
 * The hidden states that enter block 0, (tokens x hidden): reads only the rows of the embeddings that are needed.
 * @param tokens whole sequences of `seqlen` tokens, one after another
 * @throws EsparseError 'checkpoint' where a token lies outside the vocabulary
 */
export async function embedTokens(
  description: ModelDescription,
  weights: WeightSource,
  tokens: Uint32Array,
  seqlen: number,
  signal?: AbortSignal,
): Promise<Float32Array> {
  requireTokens(description, tokens);
  const rows = Math.min(seqlen, tokens.length);
  const positions = Uint32Array.from({ length: rows }, (_, position) => position);
  const found = new Map<string, Value>();
  for (const op of description.program.embed) {
    if (op.op !== 'embedding') continue;
    const indices = op.index === 'token' ? tokens : positions;
    found.set(op.output, await lookUp(description, op, weights, indices, signal));
  }
  const embedded = found.get(BLOCK_INPUT);
  return embedded === undefined
    ? combine(description, weights, { found, rows, count: tokens.length }, signal)
    : embedded.data;
}

/** The same in bf16, as its bits; those of the checkpoint where nothing is done with them. */
export async function embedTokensRounded(
  description: ModelDescription,
  weights: WeightSource,
  tokens: Uint32Array,
  seqlen: number,
  signal?: AbortSignal,
): Promise<Uint16Array> {
  const [first, ...others] = description.program.embed;
  if (others.length === 0 && first?.op === 'embedding' && first.index === 'token' && first.offset === 0) {
    requireTokens(description, tokens);
    const bits = await weights.rowBits?.(first.table, tokens, signal);
    if (bits?.length === tokens.length * description.hidden) return bits;
  }
  return narrow('bf16', await embedTokens(description, weights, tokens, seqlen, signal));
}

/** The rows of a table at these indices. */
async function lookUp(
  description: ModelDescription,
  { table, offset }: OpNamed<'embedding'>,
  weights: WeightSource,
  indices: Uint32Array,
  signal?: AbortSignal,
): Promise<Value> {
  const shape = [indices.length, outerTensor(description, table).shape[1]!];
  const rows = offset === 0 ? indices : indices.map((index) => index + offset);
  return { data: requireSize(table, shape, await weights.readRows(table, rows, signal)), shape };
}

interface LookedUp {
  /** The rows that were looked up, by value: of all tokens, or of the positions of one sequence. */
  readonly found: ReadonlyMap<string, Value>;
  /** Tokens of a sequence. */
  readonly rows: number;
  /** Tokens of all of them. */
  readonly count: number;
}

/** What the program makes of the rows that were looked up, sequence by sequence. */
async function combine(
  description: ModelDescription,
  weights: WeightSource,
  { found, rows, count }: LookedUp,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const graph = buildProgramGraph(embedPart(description), rows, [BLOCK_INPUT]);
  const parameters = await readParametersOf(graph, weights, signal);
  const session = await createSession(graph.bytes, { threads: 1 });
  const width = description.hidden;
  const hidden = new Float32Array(count * width);
  try {
    for (let first = 0; first < count; first += rows) {
      const inputs = new Map(parameters);
      for (const [name, { data, shape }] of found) {
        const channels = shape[1]!;
        // Positions begin anew with each sequence.
        const begin = shape[0] === rows ? 0 : first * channels;
        inputs.set(name, { data: data.subarray(begin, begin + rows * channels), shape: [rows, channels] });
      }
      const data = hidden.subarray(first * width, (first + rows) * width);
      await session.run(inputs, new Map([[BLOCK_INPUT, { data, shape: [rows, width] }]]));
    }
  } finally {
    await session.release();
  }
  return hidden;
}

/** @throws EsparseError 'checkpoint' where a token lies outside the vocabulary */
export function requireTokens({ vocab }: ModelDescription, tokens: Uint32Array): void {
  const position = tokens.findIndex((token) => token >= vocab);
  if (position === -1) return;
  throw new EsparseError(
    'checkpoint',
    `token ${tokens[position]!} at position ${position} lies outside the model's vocabulary of ${vocab}`,
    { hint: 'the tokenizer and the model must belong together' },
  );
}
