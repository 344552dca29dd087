import { outerTensor } from '../description.ts';
import type { Operation } from './operation.ts';

/** `output = table[index + offset]`: a row of a table for each token. Where a model's program begins. */
export interface EmbeddingOp {
  readonly op: 'embedding';
  /** Slot of the table, (rows x channels). */
  readonly table: string;
  /** What chooses the row: the token itself, or its position in the sequence. */
  readonly index: 'token' | 'position';
  /** The row of index 0. */
  readonly offset: number;
  readonly output: string;
}

export const embedding = {
  part: 'embed',
  inputs: () => [],
  parameters: ({ table }) => [table],
  width: ({ table }, { description }) => outerTensor(description, table).shape[1]!,
  /** An input of the graph: the rows that are needed are read from the checkpoint, the whole table never is. */
  emit({ table, output }, { graph, description, rows }): void {
    graph.input(output, [rows, outerTensor(description, table).shape[1]!]);
  },
  emitInModel({ table, index: kind, offset, output }, { graph, index, parameter }): void {
    const row = index(kind);
    const at = offset === 0 ? row : graph.node('Add', [row, graph.integers([offset])]);
    graph.node('Gather', [parameter(table), at], { axis: 0 }, [output]);
  },
} satisfies Operation<EmbeddingOp>;
