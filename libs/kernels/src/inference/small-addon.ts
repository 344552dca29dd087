import type { RowTable } from './gather-rows.ts';
import type { BatchLayout } from './attention.ts';

/** What `native/inference/small_js.cc` exports: synchronous, the work spread over the compute threads. */
export interface SmallKernels {
  rmsNorm(x: Float32Array, weight: Float32Array, epsilon: number, tokens: number, y: Float32Array): void;
  layerNorm(
    x: Float32Array,
    weight: Float32Array,
    bias: Float32Array,
    epsilon: number,
    tokens: number,
    y: Float32Array,
  ): void;
  rope(
    x: Float32Array,
    heads: number,
    headDim: number,
    cos: Float32Array,
    sin: Float32Array,
    positions: Int32Array,
    tokens: number,
    y: Float32Array,
  ): void;
  gatedSilu(gate: Float32Array, up: Float32Array, count: number, y: Float32Array): void;
  add(a: Float32Array, b: Float32Array, count: number, y: Float32Array): void;
  relu(x: Float32Array, count: number, y: Float32Array): void;
  gatherRows(
    kind: 0 | 1 | 2,
    table: RowTable['data'],
    cols: number,
    rows: Uint32Array,
    count: number,
    y: Float32Array,
  ): void;
  attention(
    query: Float32Array,
    key: Float32Array,
    value: Float32Array,
    cache: Float32Array,
    heads: number,
    kvHeads: number,
    headDim: number,
    scale: number,
    positions: BatchLayout['positions'],
    pageTableOffsets: BatchLayout['pageTableOffsets'],
    pageTable: BatchLayout['pageTable'],
    tokens: number,
    out: Float32Array,
  ): void;
}
