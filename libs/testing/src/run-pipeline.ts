import { concatMap, from, lastValueFrom, of, toArray } from 'rxjs';
import {
  blockStages,
  oneByOne,
  pruneLinear,
  releaseReadings,
  type BlockStageReport,
  type LinearJob,
  type PrunedBlock,
} from '@esparse/dataflow';
import type { Activations } from '@esparse/laws';
import { identityOrder, none, parsePattern, unpackToHalf, type PipelineParts } from '@esparse/sparsity';
import { NORM, syntheticSurroundings, untuned } from './synthetic-block.ts';
import { SEQUENCES, syntheticReadings } from './synthetic-readings.ts';
import { syntheticWeights } from './synthetic-weights.ts';

/** A linear of a made-up block; its tap has its name. */
export interface SyntheticLinear {
  readonly name: string;
  readonly rows: number;
  /** Inputs: divisible by the group of the pattern. */
  readonly cols: number;
}

/** The block that a pipeline is run over. */
export interface RunPipelineOptions {
  /** @default q_proj of 16 x 32 and down_proj of 32 x 64 */
  readonly linears?: readonly SyntheticLinear[];
  /** @default '2:4' */
  readonly pattern?: string;
  /** @default 'bf16' */
  readonly dtype?: 'bf16' | 'f16';
  /** Shards of 2 sequences each. @default 2 */
  readonly shards?: number;
  /** Rows of a sequence. @default 64 */
  readonly seqlen?: number;
  /** @default 'outliers' */
  readonly activations?: Activations;
  /** Of weights and activations. @default 0 */
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

/** A linear after the run. */
export interface RunLinear extends SyntheticLinear {
  readonly dtype: 'bf16' | 'f16';
  /** (rows, cols), as bits of `dtype`: before, and after, where what was pruned is 0. */
  readonly dense: Uint16Array;
  readonly weights: Uint16Array;
  /** (cols): the original channel at each position. */
  readonly permutation: Int32Array;
  readonly keptBefore: number;
  readonly keptAfter: number;
}

/** The block after the run. */
export interface PipelineRun {
  readonly linears: readonly RunLinear[];
  /** What its stages noted. */
  readonly notes: readonly string[];
  /** The block's norm, as its block stages have left it. */
  readonly norm: Float32Array;
  /** What its block stages have found, in their order. */
  readonly reports: readonly BlockStageReport[];
}

const LINEARS: readonly SyntheticLinear[] = [
  { name: 'q_proj', rows: 16, cols: 32 },
  { name: 'down_proj', rows: 32, cols: 64 },
];

/**
 * Runs a pipeline over one made-up block, through the operators of `esparse prune` and the protocol of a worker, without
 * a model: random weights, and the activations of a fake worker; for its block stages random hidden states, and a norm beside the
 * linears, which `tune` gives back as they are. Its stages stay the caller's: where one holds something,
 * `release` it.
 *
 * @param parts - What a pipeline's `create` gives, or a configured pipeline.
 * @throws what the pipeline throws, as an error of a run
 */
export async function runPipeline(
  parts: PipelineParts,
  options: RunPipelineOptions = {},
): Promise<PipelineRun> {
  const { linears = LINEARS, pattern: text = '2:4', dtype = 'bf16', seed = 0, signal } = options;
  const pattern = parsePattern(text);
  const notes: string[] = [];
  const dense = new Map(
    linears.map(({ name, rows, cols }, i) => [name, syntheticWeights(rows, cols, dtype, seed + i)]),
  );
  const { shards = 2, seqlen = 64, activations = 'outliers' } = options;
  const taps = new Map(linears.map(({ name, cols }) => [name, cols]));
  const readings = await syntheticReadings(parts, { taps, shards, seqlen, activations, seed, signal });
  const prune = pruneLinear({
    metric: parts.metric,
    shuffle: parts.shuffle ?? none(),
    stages: parts.stages ?? [],
    // Copies: the memory of what is packed is freed.
    load: ({ name }) => of({ dtype, weights: dense.get(name)!.slice() }),
    report: { note: (message) => notes.push(message), progress: () => undefined },
    guard: { signal },
  });
  const jobs = linears.map(({ name, rows, cols }): LinearJob => {
    return { block: 0, name, tap: name, rows, cols, pattern, readings: readings.get(name) ?? new Map() };
  });
  const surroundings = syntheticSurroundings({ sequences: SEQUENCES * shards, seqlen, seed });
  const block = await lastValueFrom(
    from(jobs).pipe(
      oneByOne(prune),
      toArray(),
      concatMap((pruned) => of<PrunedBlock>({ block: 0, linears: pruned, tensors: new Map(), reports: [] })),
      blockStages(parts.blockStages ?? [], () => ({
        surroundings,
        note: (message) => notes.push(message),
        progress: () => undefined,
        tune: (pruned, { steps }, { progress }) => untuned(pruned, steps, progress),
        guard: { signal },
      })),
    ),
  ).finally(() => {
    releaseReadings(readings);
  });
  return {
    notes,
    norm: block.tensors.get(NORM) ?? (await surroundings.tensors[0]!.values()),
    reports: block.reports,
    linears: await Promise.all(
      block.linears.map(async ({ job: { name, rows, cols }, packed, keptBefore, keptAfter }) => {
        const weights = await unpackToHalf(packed, dtype);
        const { permutation = identityOrder(cols) } = packed;
        return {
          name,
          rows,
          cols,
          dtype,
          dense: dense.get(name)!,
          weights,
          permutation,
          keptBefore,
          keptAfter,
        };
      }),
    ),
  };
}
