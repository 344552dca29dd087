/** Values on the device, row-major. */
export interface Tensor {
  readonly address: number;
  readonly type: 'f32' | 'bf16';
}

/** A gradient that is being added up: what is there already counts. */
export interface Sum extends Tensor {
  readonly accumulate: boolean;
}

/** Bytes of an element. */
export const BYTES = { f32: 4, bf16: 2 } as const;
