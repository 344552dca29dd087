import { conv } from './conv.ts';
import { gemm, matMul } from './matrix.ts';
import type { Operator } from './operator.ts';
import { recurrent } from './recurrent.ts';

/** The operators whose weights are pruned, by their names in the standard domain. */
export const OPERATORS: ReadonlyMap<string, Operator> = new Map([
  ['Conv', conv],
  ['Gemm', gemm],
  ['MatMul', matMul],
  ['LSTM', recurrent],
  ['GRU', recurrent],
]);
