import type { KernelsOf, Signature } from '../runtime/kernel.ts';

/** The kernels of inference, as `native/inference` states them too: a test compares the two. They return when they are done, or promise it. */
export const INFERENCE_SIGNATURES = {
  createCompute: { instructionSet: 'instructionSet', threads: 'size' },
  createPackedLinear: {
    compute: 'compute',
    dtype: 'dtype',
    rows: 'size',
    cols: 'size',
    keep: 'size',
    group: 'size',
    bits: 'size',
    values: 'u16',
    indices: 'u8',
    permutation: 'i32?',
    bias: 'f32?',
  },
  createQuantizedLinear: {
    compute: 'compute',
    bits: 'size',
    rows: 'size',
    cols: 'size',
    keep: 'size',
    group: 'size',
    indexBits: 'size',
    span: 'size',
    codes: 'u8',
    scales: 'u16',
    indices: 'u8?',
    permutation: 'i32?',
    bias: 'f32?',
  },
  createDenseLinear: {
    compute: 'compute',
    dtype: 'dtype',
    rows: 'size',
    cols: 'size',
    weights: 'u16|f32',
    bias: 'f32?',
  },
  applyLinear: { linear: 'linear', x: 'f32', tokens: 'size', y: 'f32' },
  applyLinearLater: { linear: 'linear', x: 'f32', tokens: 'size', y: 'f32' },
  rmsNorm: {
    compute: 'compute',
    x: 'f32',
    weight: 'f32',
    epsilon: 'number',
    tokens: 'size',
    y: 'f32',
  },
  layerNorm: {
    compute: 'compute',
    x: 'f32',
    weight: 'f32',
    bias: 'f32',
    epsilon: 'number',
    tokens: 'size',
    y: 'f32',
  },
  rope: {
    compute: 'compute',
    x: 'f32',
    heads: 'size',
    headDim: 'size',
    rotated: 'size',
    cos: 'f32',
    sin: 'f32',
    positions: 'i32',
    tokens: 'size',
    y: 'f32',
  },
  attention: {
    compute: 'compute',
    query: 'f32',
    key: 'f32',
    value: 'f32',
    cache: 'f32',
    heads: 'size',
    kvHeads: 'size',
    headDim: 'size',
    scale: 'number',
    sinks: 'f32?',
    window: 'size',
    positions: 'i32',
    pageTableOffsets: 'i32',
    pageTable: 'i32',
    tokens: 'size',
    out: 'f32',
  },
  gatedSilu: { compute: 'compute', gate: 'f32', up: 'f32', count: 'size', y: 'f32' },
  gatedGelu: { compute: 'compute', gate: 'f32', up: 'f32', count: 'size', y: 'f32' },
  clampedSwiglu: {
    compute: 'compute',
    gate: 'f32',
    up: 'f32',
    alpha: 'number',
    limit: 'number',
    count: 'size',
    y: 'f32',
  },
  add: { compute: 'compute', a: 'f32', b: 'f32', count: 'size', y: 'f32' },
  relu: { compute: 'compute', x: 'f32', count: 'size', y: 'f32' },
  gelu: { compute: 'compute', x: 'f32', count: 'size', y: 'f32' },
  scale: { compute: 'compute', x: 'f32', factor: 'number', count: 'size', y: 'f32' },
  gatherRows: { dtype: 'dtype', table: 'u16|f32', cols: 'size', rows: 'u32', count: 'size', y: 'f32' },
  readMemory: { compute: 'compute', array: 'f32' },
} as const satisfies Readonly<Record<string, Signature>>;

export type NativeInferenceKernels = KernelsOf<
  typeof INFERENCE_SIGNATURES,
  {
    /** What the others compute with: an instruction set, and at most so many threads. */
    createCompute: object;
    /** A linear, or the first tile * groups + group whose indices are wrong. The arrays must live as long as the linear. */
    createPackedLinear: object | number;
    /** As `createPackedLinear`. */
    createQuantizedLinear: object | number;
    /** The arrays must live as long as the linear. */
    createDenseLinear: object;
    applyLinear: undefined;
    /** The linear must live until then. */
    applyLinearLater: Promise<undefined>;
    rmsNorm: undefined;
    layerNorm: undefined;
    rope: undefined;
    attention: undefined;
    gatedSilu: undefined;
    gatedGelu: undefined;
    clampedSwiglu: undefined;
    add: undefined;
    relu: undefined;
    gelu: undefined;
    scale: undefined;
    gatherRows: undefined;
    /** Seconds that all threads took to read the array once. */
    readMemory: number;
  }
>;
