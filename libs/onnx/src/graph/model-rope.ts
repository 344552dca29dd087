import { ropeFrequencies, type ModelContext, type RopeSpec } from '@esparse/model';
import type { GraphBuilder } from './builder.ts';
import type { BatchInputs } from './model-inputs.ts';

/** TensorProto.DataType */
const FLOAT = 1;

/** Cosines and sines of the rows' positions, (rows x 1 x channels / 2) each: computed in the graph, for any position. */
export function ropeAt(
  spec: RopeSpec,
  graph: GraphBuilder,
  inputs: BatchInputs,
): ReturnType<ModelContext['rope']> {
  const positions = graph.node('Cast', [inputs.index('position')], { to: FLOAT });
  const angles = graph.node('Mul', [graph.reshape(positions, [-1, 1, 1]), frequencies(spec, graph, inputs)]);
  const scale = 'attentionFactor' in spec ? spec.attentionFactor : 1;
  const scaled = (value: string) => (scale === 1 ? value : graph.node('Mul', [value, graph.constant(scale)]));
  return { cos: scaled(graph.node('Cos', [angles])), sin: scaled(graph.node('Sin', [angles])) };
}

/** (1 x 1 x channels / 2); by the length of the sequence for the types that depend on it. */
function frequencies(spec: RopeSpec, graph: GraphBuilder, { total }: BatchInputs): string {
  const pairs = spec.channels / 2;
  const constant = (values: Float64Array) => graph.constant(Float32Array.from(values), [1, 1, pairs]);
  if (spec.type !== 'longrope' && spec.type !== 'dynamic') return constant(ropeFrequencies(spec, 1));
  const tokens = graph.node('Cast', [total], { to: FLOAT });
  const original = graph.constant(spec.original);
  if (spec.type === 'longrope') {
    const [short, long] = [spec.original, spec.original + 1].map((rows) =>
      constant(ropeFrequencies(spec, rows)),
    );
    return graph.node('Where', [graph.node('Greater', [tokens, original]), long!, short!]);
  }
  // θ grows by a power of this, and so every frequency shrinks by one.
  const stretched = graph.node('Mul', [
    graph.node('Max', [tokens, original]),
    graph.constant(spec.factor / spec.original),
  ]);
  const growth = graph.node('Sub', [stretched, graph.constant(spec.factor - 1)]);
  const powers = Float64Array.from({ length: pairs }, (_, j) => (-2 * j) / (spec.channels - 2));
  return graph.node('Mul', [
    constant(ropeFrequencies(spec, spec.original)),
    graph.node('Pow', [growth, constant(powers)]),
  ]);
}
