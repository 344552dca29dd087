import type { FigureOptions, GuardOptions } from '@esparse/dataflow';
import type { AnyModel } from '@esparse/model';
import type { RunTarget } from '@esparse/protocol';
import type { BlockStage, Metric, Shuffle, Stage } from '@esparse/sparsity';
import type { StatisticReader } from '@esparse/statistics';
import type { RunWriter } from '@esparse/store';
import type { Checkpoint } from '@esparse/checkpoint';
import type { RunEvent } from './events.ts';
import type { Layers } from './layers.ts';
import type { OperatorMeter } from './operators/meter.ts';
import type { PruneOptions } from './options.ts';
import type { Preparation } from './prepare.ts';
import type { Shard } from './shards.ts';
import type { Sharing } from './sharing.ts';
import type { SolverDevice } from './solver-device.ts';
import type { Stopwatch } from './stopwatch.ts';
import type { WorkerPool } from './pool/worker-pool.ts';

/** What every step of a run works with. */
export interface RunContext {
  readonly options: PruneOptions;
  readonly checkpoint: Checkpoint;
  readonly description: AnyModel;
  readonly layers: Layers;
  /** Of a graph: which inputs of each linear may change places so that an export can fold their order. */
  readonly reaches?: Preparation['reaches'];
  readonly shards: readonly Shard[];
  readonly metric: Metric;
  readonly stages: readonly Stage[];
  readonly blockStages: readonly BlockStage[];
  /** What metric and stages need of each tap, and nothing else. */
  readonly readers: ReadonlySet<StatisticReader>;
  /** Whether a statistic or a block stage needs the dense model's activations: its hidden states then lie beside the others. */
  readonly needsDense: boolean;
  /** Where activations are folded into statistics. */
  readonly combine: 'pruner' | 'worker';
  readonly shuffle: Shuffle;
  /** How figures for a report are taken, where they are. */
  readonly figures: FigureOptions | undefined;
  /** How calls of plug-ins are guarded. */
  readonly guard: GuardOptions;
  readonly target: RunTarget;
  readonly writer: RunWriter;
  readonly pool: WorkerPool;
  readonly stopwatch: Stopwatch;
  /** What scores, shuffle and stages are computed on, as many linears at a time; none for the processor. */
  readonly devices: readonly SolverDevice[];
  /** How sums are taken over from workers' GPUs. @default they are sent */
  readonly sharing: Sharing | undefined;
  /** Measures the operators of the dataflow. */
  readonly meter: OperatorMeter;
  readonly emit: (event: RunEvent) => void;
}
