import { OPERATIONS, outerTensor, type ModelDescription, type OpNamed } from '@esparse/model';
import { GraphBuilder } from './builder.ts';

/** The input of the logits graph that takes some rows of the head. */
export const HEAD_ROWS = 'head_rows';
/** Outputs of the logits graph besides the logits: of each row, over one chunk of the vocabulary. */
export const MAX = 'max';
export const SUM = 'sum';

/**
 * Logits of one chunk of the vocabulary, (rows x chunk), with each row's maximum and its sum of exp(logit - maximum),
 * both (rows). The head's rows are a graph input of any number, so one session serves every chunk.
 */
export function buildLogitsGraph(
  description: ModelDescription,
  op: OpNamed<'logits'>,
  rows: number,
): Uint8Array {
  const channels = outerTensor(description, op.weight).shape[1]!;
  const graph = new GraphBuilder(`${description.family}-logits`);
  graph.input(op.input, [rows, channels]);
  OPERATIONS.logits.emit(op, { graph, parameter: () => graph.input(HEAD_ROWS, ['chunk', channels]) });
  const axis = graph.integers([-1]);
  const column = graph.node('ReduceMax', [op.output, axis], { keepdims: 1 });
  const powers = graph.node('Exp', [graph.node('Sub', [op.output, column])]);
  graph.node('ReduceSum', [powers, axis], { keepdims: 0 }, [SUM]);
  graph.reshape(column, [rows], MAX);
  graph.output(op.output, [rows, 'chunk']);
  graph.output(MAX, [rows]);
  graph.output(SUM, [rows]);
  return graph.toBytes();
}
