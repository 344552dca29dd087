import { BLOCK_OUTPUT, OPERATIONS, type ModelDescription } from '@esparse/model';
import { GraphBuilder } from './builder.ts';

/** Values of the two graphs behind the last block. */
export const HEAD = {
  input: BLOCK_OUTPUT,
  norm: 'norm',
  normBias: 'norm_bias',
  normal: 'normal',
  rows: 'head_rows',
} as const;
/** Outputs of the logits graph, over one chunk of the vocabulary. */
export const LOGITS = { logits: 'logits', max: 'max', sum: 'sum' } as const;

/** The final norm: (rows x hidden) to (rows x hidden). Its scale and shift are graph inputs. */
export function buildFinalNormGraph(description: ModelDescription, rows: number): Uint8Array {
  const { hidden, family, finalNorm } = description;
  const graph = new GraphBuilder(`${family}-final-norm`);
  graph.input(HEAD.input, [rows, hidden]);
  const values = { input: HEAD.input, output: HEAD.normal, weight: HEAD.norm };
  const { kind: op, epsilon } = finalNorm;
  const context = { graph, parameter: (slot: string) => graph.input(slot, [hidden]) };
  if (op === 'rmsNorm') OPERATIONS.rmsNorm.emit({ op, ...values, epsilon }, context);
  else OPERATIONS.layerNorm.emit({ op, ...values, bias: HEAD.normBias, epsilon }, context);
  graph.output(HEAD.normal, [rows, hidden]);
  return graph.toBytes();
}

/**
 * Logits of one chunk of the vocabulary, (rows x chunk), with each row's maximum and its sum of exp(logit - maximum),
 * both (rows). The head's rows are a graph input of any number, so one session serves every chunk.
 */
export function buildLogitsGraph({ hidden, family }: ModelDescription, rows: number): Uint8Array {
  const graph = new GraphBuilder(`${family}-logits`);
  graph.input(HEAD.normal, [rows, hidden]);
  graph.input(HEAD.rows, ['chunk', hidden]);
  graph.node('Gemm', [HEAD.normal, HEAD.rows], { transB: 1 }, [LOGITS.logits]);
  const axis = graph.integers([-1]);
  const column = graph.node('ReduceMax', [LOGITS.logits, axis], { keepdims: 1 });
  const powers = graph.node('Exp', [graph.node('Sub', [LOGITS.logits, column])]);
  graph.node('ReduceSum', [powers, axis], { keepdims: 0 }, [LOGITS.sum]);
  graph.reshape(column, [rows], LOGITS.max);
  graph.output(LOGITS.logits, [rows, 'chunk']);
  graph.output(LOGITS.max, [rows]);
  graph.output(LOGITS.sum, [rows]);
  return graph.toBytes();
}
