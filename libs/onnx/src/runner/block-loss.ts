import { availableParallelism } from 'node:os';
import { EsparseError } from '@esparse/errors';
import { BLOCK_INPUT, kindOf, requireSeqlen, type ModelDescription } from '@esparse/model';
import { CPU, type Device } from '../device/device.ts';
import { createSession, type Session, type Value } from '../device/session.ts';
import { buildLossGraph, LOSS, requireGradients, SUM, TARGET, type LossGraph } from '../graph/loss-graph.ts';
import { blockPart } from '../graph/model-parts.ts';
import { threadsOfGradients } from './model-threads.ts';

export interface BlockLossOptions {
  /** The block, by its number: its kind decides what is computed. */
  readonly block: number;
  /** Tokens of a sequence. */
  readonly seqlen: number;
  /** Sequences of a run. @default 1 */
  readonly sequences?: number | undefined;
  /** Whether the error of each token counts as a part of its target's mean square. @default false */
  readonly relative?: boolean | undefined;
  /** Slots of the parameters whose gradients are computed. */
  readonly of: readonly string[];
  /** Threads of a run, at most: bits do not depend on it. @default the number of cores */
  readonly threads?: number | undefined;
  /** What computes. It stays open. @default CPU */
  readonly device?: Device | undefined;
}

/** What a run begins with and what it should end with, (sequences * seqlen x hidden) each, one sequence after the other. */
export interface Example {
  readonly input: Float32Array;
  readonly target: Float32Array;
}

/** How far a block's output is from a target, as the mean of the squared differences, and what changes it. */
export interface BlockLoss {
  /** The block's parameters: their shapes by slot. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** @param parameters all of the block's, by slot */
  loss(example: Example, parameters: ReadonlyMap<string, Float32Array>): Promise<number>;
  /**
   * The loss; its gradients are added to a sum.
   * @param sum gradients of runs before, by slot, shaped as their parameters
   * @param total where the sum with these goes: other memory
   */
  gradients(
    example: Example,
    parameters: ReadonlyMap<string, Float32Array>,
    sum: ReadonlyMap<string, Float32Array>,
    total: ReadonlyMap<string, Float32Array>,
  ): Promise<number>;
  release(): Promise<void>;
}

/**
 * Prepares to compute the loss of a block and its gradients: two graphs, each compiled at its first run. Parameters are
 * inputs of a run.
 * @throws EsparseError 'unsupported' for a block with an operation that has no gradient, 'usage' where `seqlen` is out of
 *   the model's range
 */
export function createBlockLoss(
  description: ModelDescription,
  {
    block,
    seqlen,
    sequences = 1,
    of,
    relative,
    threads = availableParallelism(),
    device = CPU,
  }: BlockLossOptions,
): BlockLoss {
  requireSeqlen(description, seqlen);
  const kind = kindOf(description.program, block);
  requireGradients(description, kind);
  const part = { ...blockPart(description, kind), program: description.program.blocks[kind]! };
  const sizes = { tokens: seqlen, sequences, relative };
  const shape = [sequences * seqlen, description.hidden];
  const compiled: Promise<Session>[] = [];
  const alike = Math.min(threads, threadsOfGradients(description, { seqlen, sequences }));
  const lazy = (graph: LossGraph) => {
    let session: Promise<Session> | undefined;
    return () => {
      session ??= createSession(graph.bytes, { device: device.name, threads: alike });
      if (!compiled.includes(session)) compiled.push(session);
      return session;
    };
  };
  const graph = buildLossGraph(part, { ...sizes, of });
  const withGradients = lazy(graph);
  const alone = lazy(buildLossGraph(part, sizes));

  const run = async (
    session: Session,
    { input, target }: Example,
    parameters: ReadonlyMap<string, Float32Array>,
    further: ReadonlyMap<string, Value> = new Map(),
    outputs: ReadonlyMap<string, Value> = new Map(),
  ): Promise<number> => {
    const inputs = new Map<string, Value>([
      ...further,
      [BLOCK_INPUT, { data: input, shape }],
      [TARGET, { data: target, shape }],
    ]);
    for (const [slot, of] of graph.parameters)
      inputs.set(slot, { data: required(parameters, slot), shape: of });
    const loss = new Float32Array(1);
    await session.run(inputs, new Map([...outputs, [LOSS, { data: loss, shape: [] }]]));
    return loss[0]!;
  };

  return {
    shapes: graph.parameters,
    loss: async (example, parameters) => run(await alone(), example, parameters),
    async gradients(example, parameters, sum, total) {
      const sums = new Map<string, Value>();
      const totals = new Map<string, Value>();
      for (const [slot, name] of graph.gradients) {
        const shape = graph.parameters.get(slot)!;
        sums.set(SUM + slot, { data: required(sum, slot), shape });
        totals.set(name, { data: required(total, slot), shape });
      }
      return run(await withGradients(), example, parameters, sums, totals);
    },
    async release() {
      await Promise.all(compiled.map(async (session) => (await session).release()));
    },
  };
}

function required(values: ReadonlyMap<string, Float32Array>, slot: string): Float32Array {
  const value = values.get(slot);
  if (value === undefined) throw new EsparseError('internal', `no value for the parameter '${slot}'`);
  return value;
}
