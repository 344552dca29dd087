/** What some work of a plug-in takes, as `esparse plan` adds it up. What is left out is 0. */
export interface Cost {
  /** Bytes of memory at most, beyond what it is given and what it returns. */
  readonly bytes?: number;
  /** Floating-point operations of matrix products: a plan measures how fast this machine does them. */
  readonly flops?: number;
  /** Seconds of everything else, on a machine of today. */
  readonly seconds?: number;
}

/** A tap that a statistic is gathered of. */
export interface TapShape {
  readonly channels: number;
  /** Rows of a sequence. */
  readonly seqlen: number;
  /** Sequences that one state sees at most before it is merged into another. */
  readonly sequences: number;
}
