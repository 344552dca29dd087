import type { Addon } from '../addon.ts';
import { gatherQuantizedRows } from './gather-rows.ts';
import type { InferenceOperations } from './inference-kernels.ts';
import { createNativeLinear } from './linear.ts';

/**
 * The operations as the addon computes them.
 *
 * @param compute with what: threads and instruction set, from `createCompute`
 */
export function nativeOperations(native: Addon, compute: object): InferenceOperations {
  return {
    createLinear: (weights) => createNativeLinear(native, compute, weights),
    rmsNorm(x, weight, epsilon, tokens, y) {
      native.rmsNorm({ compute, x, weight, epsilon, tokens, y });
    },
    layerNorm(x, weight, bias, epsilon, tokens, y) {
      native.layerNorm({ compute, x, weight, bias, epsilon, tokens, y });
    },
    rope(x, { heads, headDim, rotated }, { cos, sin }, positions, tokens, y) {
      native.rope({ compute, x, heads, headDim, rotated, cos, sin, positions, tokens, y });
    },
    attention(query, key, value, cache, shape, layout, tokens, out, sinks) {
      const { heads, kvHeads, headDim, scale, window = 0 } = shape;
      const { positions, pageTableOffsets, pageTable } = layout;
      native.attention({
        ...{ compute, query, key, value, cache, tokens, out },
        ...{ heads, kvHeads, headDim, scale, window, sinks: sinks ?? null },
        ...{ positions, pageTableOffsets, pageTable },
      });
    },
    gatedSilu(gate, up, count, y) {
      native.gatedSilu({ compute, gate, up, count, y });
    },
    gatedGelu(gate, up, count, y) {
      native.gatedGelu({ compute, gate, up, count, y });
    },
    clampedSwiglu(gate, up, { alpha, limit }, count, y) {
      native.clampedSwiglu({ compute, gate, up, alpha, limit, count, y });
    },
    gelu(x, count, y) {
      native.gelu({ compute, x, count, y });
    },
    scale(x, factor, count, y) {
      native.scale({ compute, x, factor, count, y });
    },
    relu(x, count, y) {
      native.relu({ compute, x, count, y });
    },
    add(a, b, count, y) {
      native.add({ compute, a, b, count, y });
    },
    gatherRows(table, rows, count, y) {
      if ('kind' in table) {
        gatherQuantizedRows(table, rows, count, y);
        return;
      }
      const { dtype, data, cols } = table;
      native.gatherRows({ dtype, table: data, cols, rows, count, y });
    },
    readMemory: (array) => native.readMemory({ compute, array }),
  };
}
