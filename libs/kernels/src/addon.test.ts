import { addon } from './addon.ts';
import { INFERENCE_SIGNATURES } from './inference/kernels.ts';
import { PRUNING_SIGNATURES } from './pruning/kernels.ts';
import { RUNTIME_SIGNATURES } from './runtime/kernels.ts';

const SIGNATURES = { ...RUNTIME_SIGNATURES, ...PRUNING_SIGNATURES, ...INFERENCE_SIGNATURES };

test('the addon and TypeScript state the same kernels, each with the same arguments', () => {
  expect(addon()!.signatures).toEqual(SIGNATURES);
});

test('an argument that is missing or of another kind is refused, with its name and that of the kernel', () => {
  const native = addon()!;
  const right = { values: new Float32Array(4), size: 2, out: new Int32Array(2), cancel: new Int32Array(1) };
  const wrong: [keyof typeof right, unknown][] = [
    ['values', new Float64Array(4)],
    ['values', undefined],
    ['size', 1.5],
    ['size', -1],
    ['size', '2'],
    ['size', NaN],
    ['out', new Float32Array(2)],
    ['cancel', new Int32Array(0)],
  ];
  for (const [name, value] of wrong) {
    expect(() => native.assign({ ...right, [name]: value })).toThrow(
      new RegExp(`^assign: ${name}: .* was expected$`),
    );
  }
});

test('an array of another length is refused, with the length that was expected', () => {
  const [values, out, cancel] = [new Float32Array(5), new Int32Array(2), new Int32Array(1)];
  expect(() => addon()!.assign({ values, size: 2, out, cancel })).toThrow(
    'assign: values: it has 5 elements, 4 were expected',
  );
});

test('an instruction set or a dtype that is none is refused', () => {
  const native = addon()!;
  const x = new Float32Array(4);
  expect(() => native.createCompute({ instructionSet: 'mmx', threads: 1 })).toThrow(
    'createCompute: instructionSet: instructionSet was expected',
  );
  expect(() => native.widen({ dtype: 'f64' as 'f32', from: new Uint16Array(1), to: x })).toThrow(/dtype/);
});
