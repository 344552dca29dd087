import type { JsonObject } from '@esparse/sparsity';
import type { PruneOptions } from '../options.ts';
import type { Rates } from './measure.ts';
import type { PatternGroup } from './pattern-groups.ts';
import type { StoreBytes } from './store-bytes.ts';

/**
 * What is planned: the options of a run without those that do not change what it takes (which seed, which store, whether it
 * is resumed), and with the number of workers instead of their addresses.
 */
export type PlanOptions = Omit<
  PruneOptions,
  'calibration' | 'store' | 'workers' | 'seed' | 'bos' | 'resume'
> & {
  /** Calibration text, whose size is looked at. @default its memory is not counted */
  readonly calibration?: string | undefined;
  /** Workers, each with the threads of this machine. */
  readonly workers: number;
  /** What runs the blocks. @default 'cpu' */
  readonly device?: string | undefined;
  /** Threads of the runtime in the short measurement. @default all processors */
  readonly threads?: number | undefined;
};

/** A plug-in that each linear, or each block, goes through. */
export interface PlannedStep {
  readonly kind: 'metric' | 'shuffle' | 'stage' | 'block stage';
  readonly name: string;
  readonly version: number;
  readonly options: JsonObject;
}

/** What a run will take, all in bytes and seconds. */
export interface RunPlan {
  readonly model: string;
  readonly family: string;
  readonly blocks: number;
  readonly pattern: string;
  /** What each linear is pruned to, grouped: where rules for layers make exceptions, they show here. */
  readonly patterns: readonly PatternGroup[];
  readonly pipeline: string;
  /** Of the pipeline, defaults among them. */
  readonly options: JsonObject;
  /** What each linear goes through, in this order, besides mask and pack. */
  readonly steps: readonly PlannedStep[];
  /** Statistics that are gathered of each tap. */
  readonly statistics: readonly string[];
  /** Statistics and stages whose memory and time this plan leaves out, since they do not say what they take. */
  readonly uncounted: readonly string[];
  readonly tokens: number;
  readonly shards: number;
  readonly workers: number;
  /** Where activations become statistics: what was asked for, or what `prune` does by itself. */
  readonly combine: 'pruner' | 'worker';
  /** Over the whole run: by the pruner, and by all workers together (weights at every block and worker, hidden states). */
  readonly read: { readonly pruner: number; readonly workers: number };
  /**
   * Over the wire in the whole run, by `--combine`: activations within 1 %, or statistics as an upper bound; these are absent
   * where workers cannot gather them.
   */
  readonly wire: { readonly pruner: number; readonly worker?: number };
  readonly store: StoreBytes & {
    /** Hidden states that lie in the store at once, at most, until the run is finished. */
    readonly hidden: number;
  };
  /** Written in the whole run. */
  readonly written: { readonly store: number; readonly hidden: number };
  /** The most that each process holds, an upper bound. */
  readonly memory: {
    readonly pruner: number;
    readonly worker: number;
    /** Of an NVIDIA GPU, with `device` or `solver` 'cuda': with less, a worker or the pruner fails. */
    readonly gpu?: number;
  };
  /** The most that the pruner's temporary file grows to, of what Hessians do not find room for in memory. */
  readonly spilled: number;
  /** The same of a worker that tunes a block. */
  readonly spilledByWorker: number;
  /** An estimate from a short measurement on this machine. */
  readonly seconds: {
    readonly total: number;
    readonly calibrate: number;
    readonly prune: number;
    /** Block stages. */
    readonly tune: number;
    readonly commit: number;
    readonly advance: number;
  };
  readonly measured: Rates;
}
