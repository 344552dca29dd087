import type { GraphWriter } from './operation.ts';

/**
 * A graph in which some values have other names.
 * @param rename the name of a value that is read
 * @param define that of a value that a node gives a name to
 */
export function renaming(
  graph: GraphWriter,
  rename: (name: string) => string,
  define: (name: string) => string = rename,
): GraphWriter {
  return {
    input: (name, shape) => graph.input(name, shape),
    node: (operator, inputs, attributes, outputs) =>
      graph.node(operator, inputs.map(rename), attributes, outputs?.map(define)),
    constant: (value: number | Float32Array, shape?: readonly number[]) =>
      typeof value === 'number' ? graph.constant(value) : graph.constant(value, shape!),
    integers: (values) => graph.integers(values),
    reshape: (value, shape, output) =>
      graph.reshape(rename(value), shape, output === undefined ? undefined : define(output)),
  };
}
