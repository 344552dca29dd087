/**
 * The events of a run that the live page shows: those of `esparse prune --json`, as far as it reads them, and some that its
 * server adds. Blocks count from 1.
 */
export type LiveEvent = { readonly time: string } & (
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
  | {
      readonly event: 'progress';
      readonly block: number;
      readonly phase: string;
      readonly done: number;
      readonly total: number;
      readonly unit: string;
    }
  | ({ readonly event: 'linear'; readonly block: number } & LiveLinear)
  | { readonly event: 'stage'; readonly block: number; readonly stage: string }
  | {
      readonly event: 'committed';
      readonly block: number;
      readonly seconds: number;
      /** Absent in what older versions wrote. */
      readonly bytes?: number | undefined;
    }
  | ({ readonly event: 'phase'; readonly block?: number | undefined } & LivePhase)
  | { readonly event: 'operators'; readonly seconds: number; readonly operators: readonly LiveOperator[] }
  | { readonly event: 'workers'; readonly workers: readonly LiveWorker[] }
  | { readonly event: 'retry'; readonly worker: string; readonly message: string }
  | { readonly event: 'experts'; readonly block: number; readonly threshold: number }
  | { readonly event: 'note'; readonly message: string }
  | { readonly event: 'finished'; readonly seconds: Readonly<Record<string, number>> }
  /** Of the server: the dataflow, as `esparse graph` has it. */
  | ({ readonly event: 'graph' } & LiveGraph)
  /** Of the server: how far the run is, from 0 to 1, and the milliseconds that it still takes. */
  | { readonly event: 'estimate'; readonly done: number; readonly left?: number | undefined }
  /** Of the server: the run has stopped without coming to its end. */
  | { readonly event: 'ended'; readonly message: string }
  /** Of the server: where the events come from. */
  | { readonly event: 'source'; readonly source: string; readonly detail: LiveDetail }
);

/** What is known of a run: all that its process says, or what its store shows. */
export type LiveDetail = 'events' | 'store';

export interface LiveLinear {
  readonly linear: string;
  readonly keptScoreGain: number;
  readonly bytes: number;
  readonly denseBytes: number;
  readonly rows?: number | undefined;
  readonly cols?: number | undefined;
  readonly scoreLost?: number | undefined;
  readonly outputError?: number | undefined;
}

export interface LivePhase {
  readonly phase: string;
  /** When it was begun first, and when it ended last, by ISO 8601 in UTC. */
  readonly begun: string;
  readonly ended: string;
  readonly seconds: number;
}

export interface LiveOperator {
  readonly operator: string;
  /** Shares of the last moment. */
  readonly busy: number;
  readonly backpressured: number;
  readonly idle: number;
  readonly done: number;
  readonly rate: number;
  readonly unit: string;
  readonly queue: number;
}

export interface LiveWorker {
  readonly worker: string;
  readonly connected: number;
  readonly trouble?: string | undefined;
  readonly running: number;
  readonly done: number;
  readonly failed: number;
  readonly tokens: number;
  readonly rate: number;
  readonly peakResidentBytes?: number | undefined;
}

export interface LiveGraph {
  readonly nodes: readonly { readonly id: string; readonly kind: string; readonly label: string }[];
  readonly edges: readonly { readonly from: string; readonly to: string }[];
}
