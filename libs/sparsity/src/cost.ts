import type { Pattern } from './pattern.ts';

/** A linear that is to be pruned. */
export interface LinearShape {
  readonly rows: number;
  readonly cols: number;
  readonly pattern: Pattern;
}

/** The taps of a block, as a stage that holds something of each meets them. */
export interface BlockShape {
  /** Channels of each tap. */
  readonly taps: readonly number[];
  /** States of each tap that exist at once: those of shards under way, and the one that they are merged into. */
  readonly states: number;
  /** Rows of a sequence. */
  readonly seqlen: number;
}

/** Bytes at most of what a stage holds beside its work on one linear. What is left out is 0. */
export interface HeldCost {
  /** Of memory throughout the run, such as a runtime. */
  readonly run?: number;
  /** Of memory while statistics are gathered. */
  readonly gathering?: number;
  /** Of memory while linears are pruned. */
  readonly pruning?: number;
  /** Of a temporary file. */
  readonly file?: number;
}
