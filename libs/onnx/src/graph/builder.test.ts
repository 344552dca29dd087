import { GraphBuilder } from './builder.ts';
import { modelProto } from '@esparse/checkpoint';

interface Decoded {
  graph: { node: { op_type: string }[]; initializer: object[]; output: { name: string }[] };
}

function decode(graph: GraphBuilder): Decoded['graph'] {
  const type = modelProto();
  return (type.toObject(type.decode(graph.toBytes()), { arrays: true }) as Decoded).graph;
}

test('a node or a constant that is there already is given, not added again', () => {
  const graph = new GraphBuilder('twice');
  const x = graph.input('x', [2, 2]);
  const matrix = () => graph.constant(Float32Array.of(1, 2, 3, 4), [2, 2]);
  const sum = () => graph.node('Add', [x, matrix()]);
  expect(sum()).toBe(sum());
  // Another shape, other elements, other attributes.
  graph.constant(Float32Array.of(1, 2, 3, 4), [4]);
  graph.constant(Float32Array.of(1, 2, 3, 5), [2, 2]);
  const [by0, by1] = [0, 1].map((axis) => graph.node('Softmax', [sum()], { axis }));
  expect(by0).not.toBe(by1);
  // What has a name is added under it; whoever asks for the same without a name gets that.
  expect(graph.node('Neg', [x], {}, ['negative'])).toBe('negative');
  expect(graph.node('Neg', [x])).toBe('negative');
  expect(graph.node('Neg', [x], {}, ['other'])).toBe('other');
  for (const name of [by0!, by1!, 'negative', 'other', 'other']) graph.output(name, [2, 2]);
  const { node, initializer, output } = decode(graph);
  expect(node.map(({ op_type }) => op_type)).toEqual(['Add', 'Softmax', 'Softmax', 'Neg', 'Neg']);
  expect([initializer.length, output.length]).toEqual([3, 4]);
});

test('nodes that no output needs are left out', () => {
  const graph = new GraphBuilder('dead');
  const x = graph.input('x', [2]);
  const used = graph.node('Exp', [x]);
  graph.node('Log', [graph.node('Sqrt', [used])]);
  graph.node('Split', [used], { num_outputs: 2 }, ['first', 'second']);
  graph.output('second', [1]);
  expect(decode(graph).node.map(({ op_type }) => op_type)).toEqual(['Exp', 'Split']);
});
