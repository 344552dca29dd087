import { tinyLlama } from '@esparse/laws';
import { describeModel } from './family.ts';
import { operationOf } from './operations/index.ts';
import { BLOCK_INPUT, BLOCK_OUTPUT, neededFor } from './program.ts';

const { program: model, taps, linears } = describeModel(tinyLlama().config);
const program = model.blocks[0]!;

test('a program defines each value once, before it is read, and ends with the output', () => {
  const defined = new Set([BLOCK_INPUT]);
  for (const op of program) {
    for (const input of operationOf(op).inputs(op)) expect(defined).toContain(input);
    expect(defined).not.toContain(op.output);
    defined.add(op.output);
  }
  expect(program.at(-1)!.output).toBe(BLOCK_OUTPUT);
});

test('every linear is used once and reads its tap', () => {
  const used = program.flatMap((op) => (op.op === 'linear' ? [[op.linear, op.input]] : []));
  expect(used).toEqual(linears.map(({ name, tap }) => [name, tap]));
});

test('for the taps the last linear is not needed, for the output everything is', () => {
  const forTaps = neededFor(
    program,
    taps.map(({ name }) => name),
  );
  expect(program.filter((op) => !forTaps.includes(op)).map(({ output }) => output)).toEqual([
    'mlp_delta',
    BLOCK_OUTPUT,
  ]);
  expect(neededFor(program, [BLOCK_OUTPUT])).toEqual(program);
});
