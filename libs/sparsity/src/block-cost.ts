/** A block as a block stage meets it, for `esparse plan`. */
export interface BlockStageShape {
  /** Weights of its linears, dense. */
  readonly weights: number;
  /** Elements of its norms and biases. */
  readonly others: number;
  /** Channels of all values that its program computes of one token, those of attention's scores among them. */
  readonly values: number;
  /** Channels of hidden states. */
  readonly hidden: number;
  /** Sequences of the calibration, and tokens of each. */
  readonly sequences: number;
  readonly seqlen: number;
}

/** What a block stage takes for one block. What is left out is 0. */
export interface BlockCost {
  /** Bytes of memory at most in the pruner, beside the block as it is packed. */
  readonly pruner?: number;
  /** The same in the worker that it calls. */
  readonly worker?: number;
  /** The same of a GPU that computes there by CUDA: at least so many. */
  readonly gpu?: number;
  /** Bytes of a temporary file of that worker. */
  readonly file?: number;
  /** Floating-point operations of matrix products: a plan measures how fast this machine does them. */
  readonly flops?: number;
  /** Seconds of everything else, on a machine of today. */
  readonly seconds?: number;
}
