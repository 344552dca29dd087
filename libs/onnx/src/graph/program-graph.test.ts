import { thrownBy, tinyLlama } from '@esparse/laws';
import { BLOCK_OUTPUT, describeModel } from '@esparse/model';
import { blockPart } from './model-parts.ts';
import { buildProgramGraph } from './program-graph.ts';
import { modelProto } from '@esparse/checkpoint';

interface Decoded {
  ir_version: number;
  opset_import: { domain: string; version: number }[];
  graph: {
    node: { op_type: string; domain?: string; input: string[]; output: string[] }[];
    initializer: { name: string; raw_data: Uint8Array }[];
    input: { name: string }[];
    output: { name: string }[];
  };
}

function decode(bytes: Uint8Array): Decoded {
  return modelProto().toObject(modelProto().decode(bytes), { longs: Number, arrays: true }) as Decoded;
}

const description = describeModel(tinyLlama({ attention_bias: true }).config);

test('a graph is a model of standard operators in an order that can be executed', () => {
  const { bytes } = buildProgramGraph(blockPart(description, 0), 16, [BLOCK_OUTPUT]);
  const { ir_version, opset_import, graph } = decode(bytes);
  expect({ ir_version, opset_import }).toEqual({
    ir_version: 8,
    opset_import: [{ domain: '', version: 18 }],
  });
  const known = new Set([...graph.input, ...graph.initializer].map(({ name }) => name));
  for (const node of graph.node) {
    expect(node.domain ?? '').toBe('');
    for (const input of node.input) expect(known).toContain(input);
    for (const output of node.output) {
      expect(known).not.toContain(output);
      known.add(output);
    }
  }
  for (const { name } of graph.output) expect(known).toContain(name);
});

test('a graph holds no weights: every parameter of the block is an input', () => {
  const { bytes, parameters } = buildProgramGraph(blockPart(description, 0), 16, [BLOCK_OUTPUT]);
  const { graph } = decode(bytes);
  expect(graph.input.map(({ name }) => name)).toEqual(['hidden', ...parameters.keys()]);
  expect(parameters.size).toBe(7 + 2 + 4);
  expect(bytes.length).toBeLessThan(20_000);
});

test('the graph of the taps reads no matrix that no tap needs', () => {
  const taps = description.taps.map(({ name }) => name);
  const { parameters, outputs } = buildProgramGraph(blockPart(description, 0), 16, taps);
  expect([...parameters.keys()]).not.toContain('down_proj.weight');
  expect([...outputs]).toEqual(description.taps.map(({ name, channels }) => [name, [16, channels]]));
});

test('a program that names what its family does not describe is a defect, and says which', () => {
  expect(thrownBy(() => buildProgramGraph(blockPart(description, 0), 16, ['no_tap']))).toMatchObject({
    kind: 'internal',
    message: expect.stringContaining("'no_tap'"),
  });
});
