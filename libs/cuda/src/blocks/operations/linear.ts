import { OPERATIONS, type OpNamed } from '@esparse/model';
import { int, launchElements, pointer, typed } from '../values.ts';
import type { RunContext } from './operation.ts';

/** One product over the rows of all sequences; the matrix is (outputs x inputs), as the checkpoint stores it. */
export function linear(op: OpNamed<'linear'>, context: RunContext): void {
  const { gpu, description, inBf16, parameter, output: make } = context;
  const [weight, bias] = OPERATIONS.linear.parameters(op, description).map(parameter);
  const input = inBf16(op.input);
  const out = make(op.output, input.rows, weight!.rows);
  gpu.multiply({
    m: input.rows,
    n: weight!.rows,
    k: input.channels,
    left: input.memory.address,
    right: weight!.memory.address,
    transposeRight: true,
    out: out.memory.address,
    inputs: 'bf16',
    outputs: out.type,
  });
  if (bias === undefined) return;
  launchElements(gpu, 'add_to_rows', out, [...typed(out), pointer(bias.memory.address), int(out.channels)]);
}
