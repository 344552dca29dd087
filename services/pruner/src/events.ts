import type { StarvedExpert } from '@esparse/model-store';
import type { BlockReport } from '@esparse/sparsity';
import type { OperatorFigures } from './operators/meter.ts';
import type { WorkerFigures } from './pool/worker-tallies.ts';
import type { Phase } from './stopwatch.ts';

/** The events of a run as they leave it, in order. From `started` on, each names the run. */
export type PruneEvent = RunEvent & {
  /** When it was emitted, by ISO 8601 in UTC. */
  readonly time: string;
  readonly run?: string;
};

/** What the steps of a run emit. `stampEvents` makes `PruneEvent`s of it, in which blocks count from 1. */
export type RunEvent =
  | {
      readonly event: 'started';
      readonly run: string;
      readonly model: string;
      readonly family: string;
      readonly blocks: number;
      readonly pipeline: string;
      readonly pattern: string;
      readonly shuffle: string;
      readonly samples: number;
      readonly seqlen: number;
      readonly shards: number;
      readonly workers: readonly string[];
    }
  /** Progress within a phase: tokens processed, linears done or steps made, of all those of the block. */
  | {
      readonly event: 'progress';
      readonly block: number;
      readonly phase: Phase;
      readonly done: number;
      readonly total: number;
      readonly unit: 'tokens' | 'linears' | 'steps';
      /** Workers that are connected. */
      readonly workers?: number;
    }
  | {
      readonly event: 'linear';
      readonly block: number;
      readonly linear: string;
      /** Relative growth of the kept score that the shuffle brought. */
      readonly keptScoreGain: number;
      readonly bytes: number;
      readonly denseBytes: number;
      readonly rows: number;
      readonly cols: number;
      /** Of a run with `figures`: the share of all scores that is lost, and the relative change of the output. */
      readonly scoreLost?: number;
      readonly outputError?: number;
    }
  /** What a block stage has found, such as the loss before and after. */
  | { readonly event: 'stage'; readonly block: number; readonly stage: string; readonly report: BlockReport }
  | {
      readonly event: 'committed';
      readonly block: number;
      readonly blocks: number;
      /** Since the block was begun. */
      readonly seconds: number;
      /** Of all objects of the block in the store. */
      readonly bytes: number;
    }
  /** A phase is over, of a block or of what lies outside the blocks. Phases of a block overlap where writing goes on while the next linear is scored. */
  | {
      readonly event: 'phase';
      readonly block?: number;
      readonly phase: Phase;
      /** When it was begun first, and when it ended last, by ISO 8601 in UTC. */
      readonly begun: string;
      readonly ended: string;
      /** What it took of that. */
      readonly seconds: number;
    }
  /** What operators have done since the event before, so many seconds: once a second. */
  | { readonly event: 'operators'; readonly seconds: number; readonly operators: readonly OperatorFigures[] }
  /** What workers do: once a second. */
  | { readonly event: 'workers'; readonly workers: readonly WorkerFigures[] }
  /** A task that is given to a worker again, since it has failed or is overdue. Its result counts once. */
  | {
      readonly event: 'retry';
      readonly task: string;
      readonly why: 'failed' | 'overdue';
      readonly block?: number;
      readonly shards?: readonly number[];
      readonly worker: string;
      readonly message: string;
    }
  /** Experts that fewer tokens were routed to than `threshold`: they are pruned by the statistics of all tokens. */
  | {
      readonly event: 'experts';
      readonly block: number;
      readonly threshold: number;
      readonly starved: readonly StarvedExpert[];
    }
  | { readonly event: 'note'; readonly message: string }
  | ({ readonly event: 'finished' } & PruneReport);

/** The outcome of a run. */
export interface PruneReport {
  readonly run: string;
  readonly store: string;
  readonly blocks: number;
  /** Blocks that this attempt pruned: the others were committed already. */
  readonly blocksPruned: number;
  /** Bytes of the packed linears (values and indices), of their permutations, and of the same linears dense. */
  readonly linearBytes: number;
  readonly permutationBytes: number;
  readonly denseLinearBytes: number;
  /** Mean relative growth of the kept score over the linears. */
  readonly keptScoreGain: number;
  readonly seconds: Readonly<Record<Phase | 'total', number>>;
  /** Peak resident bytes of this process and of each worker, as their operating systems report them. */
  readonly peakResidentBytes: { readonly pruner: number; readonly workers: readonly number[] };
  /** Bytes of all messages to and from the workers. */
  readonly wireBytes: number;
}
