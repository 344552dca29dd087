import type { ChannelOrder } from '@esparse/model-store';
import type { InputHeads } from '@esparse/sparsity';

/**
 * An order of the outputs of v in which the groups of the linear behind the attention are consecutive: heads stay where they
 * are, since queries and keys belong to them. There is one where no group spans two heads, and where all query heads that
 * read one value head fall into the same groups.
 *
 * @param order of the attention's outputs, (heads * headDim)
 * @returns (kvHeads * headDim) the original output of v at each position, undefined where there is none
 */
export function withinHeads(order: ChannelOrder, heads: InputHeads): Int32Array | undefined {
  const { permutation, pattern } = order;
  const { headDim, kvHeads } = heads;
  const shared = heads.heads / kvHeads;
  const groupsOf = Array.from({ length: heads.heads }, (): number[][] => []);
  for (let first = 0; first < permutation.length; first += pattern.group) {
    const group = permutation.slice(first, first + pattern.group).sort();
    const head = Math.floor(group[0]! / headDim);
    if (Math.floor(group.at(-1)! / headDim) !== head) return undefined;
    groupsOf[head]!.push([...group].map((channel) => channel % headDim));
  }
  const canonical = groupsOf.map((groups) => groups.sort((a, b) => a[0]! - b[0]!).flat());
  const values: number[] = [];
  for (let kv = 0; kv < kvHeads; kv++) {
    const [first, ...others] = canonical.slice(kv * shared, (kv + 1) * shared);
    if (others.some((other) => other.some((channel, i) => channel !== first![i]))) return undefined;
    values.push(...first!.map((channel) => kv * headDim + channel));
  }
  return Int32Array.from(values);
}

/** The order of the attention's outputs that follows from one of v's. */
export function throughAttention(values: Int32Array, { heads, kvHeads, headDim }: InputHeads): Int32Array {
  const shared = heads / kvHeads;
  return Int32Array.from({ length: heads * headDim }, (_, i) => {
    const head = Math.floor(i / headDim);
    const channel = values[Math.floor(head / shared) * headDim + (i % headDim)]! % headDim;
    return head * headDim + channel;
  });
}
