import type { CudaArithmetic } from '@esparse/cuda';
import type { Kernels } from './kernels.ts';
import type { TakeMemory } from './memory.ts';

/** Logits that are there at once, those of both models and a gradient, stay under this. */
const MOST_BYTES = 2 ** 30;
/** Of a token in both models, f32, and of its gradient, bf16. */
const BYTES = 4 + 4 + 2;
/** Rows of a product come in such steps. */
const TILE = 128;

/** What tokens two states of a model lead to, and how far these are apart. */
export interface Logits {
  /**
   * Of each row the divergence of what `found` leads to from what `wanted` does, all bf16, (rows x hidden).
   * @param back where the gradient of the sum of all rows goes, times a factor; bf16
   */
  compare(
    rows: number,
    states: { readonly wanted: number; readonly found: number },
    ofRows: number,
    back?: { readonly to: number; readonly factor: number },
  ): void;
}

/** Rows that go at once. */
function rowsAtOnce(rows: number, vocab: number): number {
  const fitting = Math.max(TILE, Math.floor(MOST_BYTES / BYTES / vocab / TILE) * TILE);
  return Math.min(rows, fitting);
}

/**
 * Takes memory for the logits of some rows.
 * @param head the address of the matrix that makes them, bf16, (vocab x hidden)
 */
export function createLogits(
  gpu: CudaArithmetic,
  kernels: Kernels,
  take: TakeMemory,
  { head, vocab, hidden, rows: most }: { head: number; vocab: number; hidden: number; rows: number },
): Logits {
  const { wanted, found, given, atOnce } = layLogits(take, { vocab, rows: most });
  return {
    compare(rows, states, ofRows, back) {
      for (let first = 0; first < rows; first += atOnce) {
        const m = Math.min(atOnce, rows - first);
        for (const [from, out] of [
          [states.wanted, wanted],
          [states.found, found],
        ] as const) {
          const left = from + 2 * first * hidden;
          gpu.multiply({
            ...{ m, n: vocab, k: hidden, left, right: head, out },
            ...{ transposeRight: true, inputs: 'bf16', outputs: 'f32' },
          });
        }
        kernels.blocks('divergence', m, [
          ...[{ pointer: wanted }, { pointer: found }, { float: back?.factor ?? 0 }],
          ...[{ pointer: back === undefined ? 0 : given }, { pointer: ofRows + 4 * first }, vocab],
        ]);
        if (back === undefined) continue;
        const out = back.to + 2 * first * hidden;
        gpu.multiply({
          ...{ m, n: hidden, k: vocab, left: given, right: head, out },
          ...{ inputs: 'bf16', outputs: 'bf16' },
        });
      }
    },
  };
}

/** The memory of it. */
export function layLogits(take: TakeMemory, { vocab, rows }: { vocab: number; rows: number }) {
  const atOnce = rowsAtOnce(rows, vocab);
  const size = atOnce * vocab;
  return { wanted: take(4 * size), found: take(4 * size), given: take(2 * size), atOnce };
}
