import { intOf } from '../messages.ts';
import { NOT_CONSTANT, type ConstantFacts, type Found, type Operator } from './operator.ts';

/** MatMul by a constant matrix (inputs x outputs). */
export const matMul: Operator = (node, { constantOf }) => {
  const [input = '', weight = ''] = node.input;
  const found = constantOf(weight);
  if (found === undefined) {
    return constantOf(input) === undefined ? NOT_CONSTANT : 'its constant is the left factor';
  }
  if (found.shape.length !== 2) return `its weights have ${found.shape.length} axes`;
  return linearOf(input, found, false);
};

/** Gemm by a constant matrix, transposed or not. */
export const gemm: Operator = (node, { constantOf }) => {
  const [input = '', weight = ''] = node.input;
  const found = constantOf(weight);
  if (found === undefined) return NOT_CONSTANT;
  if (intOf(node, 'transA', 0) !== 0) return 'its input is transposed';
  if (found.shape.length !== 2) return `its weights have ${found.shape.length} axes`;
  return linearOf(input, found, intOf(node, 'transB', 0) !== 0);
};

/** @param byRows whether a row of the tensor is an output */
function linearOf(input: string, facts: ConstantFacts, byRows: boolean): Found {
  const { tensor, shape } = facts;
  const [first = 0, second = 0] = shape;
  const [rows, cols] = byRows ? [first, second] : [second, first];
  const place = byRows
    ? { tensor, base: 0, rowStride: cols, inner: cols, innerStride: 1, outerStride: 0 }
    : { tensor, base: 0, rowStride: 1, inner: cols, innerStride: rows, outerStride: 0 };
  return [{ suffix: '', rows, cols, source: { from: 'rows', value: input }, place, facts }];
}
