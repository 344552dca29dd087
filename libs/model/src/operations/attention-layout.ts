import type { AttentionOp } from './attention.ts';
import type { EmitContext } from './operation.ts';

/** What `layoutOf` gives. */
export type HeadLayout = ReturnType<typeof layoutOf>;

/**
 * How rows of tokens are laid out by heads. A lane is a key head of a sequence, and the query heads that read it: lanes
 * know nothing of each other.
 */
export function layoutOf({ heads, kvHeads, headDim }: AttentionOp, { graph, rows, sequences }: EmitContext) {
  const group = heads / kvHeads;
  const tokens = rows / sequences;
  const lanes = sequences * kvHeads;
  const ordered = (value: string, parted: number[], perm: number[], shape: number[]) =>
    graph.reshape(
      graph.node('Transpose', [graph.reshape(value, [sequences, tokens, ...parted])], { perm }),
      shape,
    );
  const slice = (data: string, axis: number, begin: number, end: number) =>
    graph.node('Slice', [data, graph.integers([begin]), graph.integers([end]), graph.integers([axis])]);
  return {
    group,
    tokens,
    lanes,
    slice,
    /** (lanes x group x tokens x headDim) */
    queries: (value: string) =>
      ordered(value, [kvHeads, group, headDim], [0, 2, 3, 1, 4], [lanes, group, tokens, headDim]),
    /** (lanes x tokens x headDim) */
    keyRows: (value: string) => ordered(value, [kvHeads, headDim], [0, 2, 1, 3], [lanes, tokens, headDim]),
    /** (lanes x headDim x tokens) */
    keyColumns: (value: string) => ordered(value, [kvHeads, headDim], [0, 2, 3, 1], [lanes, headDim, tokens]),
    /** A number for each query head as (lanes x group x 1 x 1). */
    sinks: (value: string) => {
      const ofSequence = graph.reshape(value, [kvHeads, group, 1, 1]);
      return graph.node('Concat', new Array<string>(sequences).fill(ofSequence), { axis: 0 });
    },
    /** Some rows of what `queries` gives, (lanes x group * size x headDim). */
    rowsOf: (value: string, begin: number, end: number) =>
      graph.reshape(slice(value, 2, begin, end), [lanes, group * (end - begin), headDim]),
    /** The other way round: (sequences x size x heads * headDim). */
    byToken: (value: string, size: number) => {
      const byLane = graph.reshape(value, [sequences, kvHeads, group, size, headDim]);
      const byRow = graph.node('Transpose', [byLane], { perm: [0, 3, 1, 2, 4] });
      return graph.reshape(byRow, [sequences, size, heads * headDim]);
    },
    transposed: (value: string) => graph.node('Transpose', [value], { perm: [0, 2, 1] }),
  };
}
