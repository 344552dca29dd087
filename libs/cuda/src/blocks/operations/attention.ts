import type { OpNamed } from '@esparse/model';
import { int, pointer } from '../values.ts';
import type { RunContext } from './operation.ts';

/** Rows of queries that meet the keys at once, at most: fewer skip more of what is not seen, and need less memory. */
const MAX_CHUNK = 512;
/** The scores of a chunk stay under so many bytes, of the heads that are made at once. */
const MAX_SCORES_BYTES = 256 * 2 ** 20;
const WARPS = 8;

/**
 * Causal attention, sequence by sequence, over chunks of query rows: scores by one product for all key heads (and one for
 * each query head of a group), f32; their softmax, rounded to bf16; a product with the values.
 */
export function attention(op: OpNamed<'attention'>, context: RunContext): void {
  const { gpu, seqlen, inBf16, parameter, output: make, scratch } = context;
  const { heads, kvHeads, headDim, scale, window = seqlen } = op;
  const [query, key, value] = [inBf16(op.query), inBf16(op.key), inBf16(op.value)];
  const out = make(op.output, query.rows, heads * headDim);
  const group = heads / kvHeads;
  const chunk = chunkOf(kvHeads, seqlen);
  // A multiple of eight elements, as the tensor cores' loads want.
  const widest = eights(Math.min(seqlen, window - 1 + chunk));
  const scores = scratch(4 * kvHeads * chunk * widest);
  const shares = scratch(2 * kvHeads * chunk * widest);
  const sinks = op.sinks === undefined ? undefined : headsByGroup(parameter(op.sinks).memory.address);
  for (let row = 0; row < query.rows; row += seqlen) {
    for (let begin = 0; begin < seqlen; begin += chunk) {
      const end = Math.min(begin + chunk, seqlen);
      const size = end - begin;
      const first = Math.max(begin + 1 - window, 0);
      const keys = end - first;
      const stride = eights(keys);
      const products = { batch: kvHeads, inputs: 'bf16' } as const;
      for (let g = 0; g < group; g++) {
        const at = ((row + begin) * heads + g) * headDim;
        const ofKeys = (row + first) * kvHeads * headDim;
        gpu.multiply({
          ...products,
          ...{ m: size, n: keys, k: headDim, alpha: scale, outputs: 'f32' },
          ...{ left: query.memory.address + 2 * at, leftStride: heads * headDim, leftStep: group * headDim },
          ...{ right: key.memory.address + 2 * ofKeys, rightStride: kvHeads * headDim, rightStep: headDim },
          transposeRight: true,
          ...{ out: scores, outStride: stride, outStep: size * stride },
        });
        gpu.launch('causal_softmax', { grid: [Math.ceil((kvHeads * size) / WARPS)], threads: 32 * WARPS }, [
          ...[pointer(scores), pointer(shares), pointer(sinks?.(g) ?? 0), int(group)],
          ...[int(kvHeads), int(size), int(keys), { long: stride }],
          ...[int(begin), int(first), int(window)],
        ]);
        gpu.multiply({
          ...products,
          ...{ m: size, n: headDim, k: keys, outputs: out.type },
          ...{ left: shares, leftStride: stride, leftStep: size * stride },
          ...{ right: value.memory.address + 2 * ofKeys, rightStride: kvHeads * headDim, rightStep: headDim },
          out: out.memory.address + (out.type === 'f32' ? 4 : 2) * at,
          ...{ outStride: heads * headDim, outStep: group * headDim },
        });
      }
    }
  }
}

/** Where the sinks of a group's query heads number g begin: those of the key heads are `group` apart. */
function headsByGroup(address: number) {
  return (g: number) => address + 4 * g;
}

/** Rows of a chunk, by the limits above. */
function chunkOf(heads: number, seqlen: number): number {
  const fitting = Math.floor(MAX_SCORES_BYTES / (4 * heads * seqlen));
  return Math.min(seqlen, MAX_CHUNK, Math.max(16, fitting));
}

function eights(count: number): number {
  return Math.ceil(count / 8) * 8;
}
