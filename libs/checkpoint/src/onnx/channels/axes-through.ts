import { intOf, intsOf, type NodeMessage } from '../messages.ts';
import type { GraphFacts } from './graph-facts.ts';
import { axesOf, type Shape } from './shapes.ts';

/** Where an axis comes out of a node, and where it went in: as the number of axes behind it. */
export interface AxesThrough {
  /** 'gone' where the node reduces it to one place. */
  after(behind: number): number | 'gone' | undefined;
  before(behind: number): number | 'gone' | undefined;
}

/**
 * How a node that gives a value other axes moves an axis of so many channels; undefined where that is not known.
 * Transpose, Squeeze, Unsqueeze, Flatten, Reshape and what reduces.
 */
export function axesThrough(facts: GraphFacts, node: NodeMessage, channels: number): AxesThrough | undefined {
  const input = facts.shapeOf(node.input[0]!);
  const output = facts.shapeOf(node.output[0]!);
  if (input === undefined || output === undefined) return undefined;
  if (node.op_type === 'Reshape' || node.op_type === 'Flatten')
    return reshaped(facts, node, input, output, channels);
  const sources = sourcesOf(facts, node, input, output.length);
  if (sources === undefined) return undefined;
  return {
    after(behind) {
      const axis = input.length - 1 - behind;
      const at = sources.findIndex((source) => source === axis);
      return at < 0 ? 'gone' : output.length - 1 - at;
    },
    before(behind) {
      const source = sources[output.length - 1 - behind];
      return source === undefined ? undefined : source === null ? 'gone' : input.length - 1 - source;
    },
  };
}

/** For each axis of the output the one of the input that it is; null for a new one, and one that is reduced. */
function sourcesOf(
  facts: GraphFacts,
  node: NodeMessage,
  input: Shape,
  rank: number,
): (number | null)[] | undefined {
  const all = input.map((_, axis) => axis);
  if (node.op_type === 'Transpose') return intsOf(node, 'perm') ?? all.toReversed();
  if (node.op_type === 'Unsqueeze') {
    const given = intsOf(node, 'axes') ?? facts.numbersOf(node.input[1]);
    if (given === undefined) return undefined;
    const added = new Set(given.map((axis) => (axis < 0 ? axis + rank : axis)));
    const left = [...all];
    return Array.from({ length: rank }, (_, axis) => (added.has(axis) ? null : (left.shift() ?? null)));
  }
  const axes = axesOf(node, input.length, facts);
  if (axes === undefined) return undefined;
  if (node.op_type === 'Squeeze') {
    const isSqueezed = (axis: number) => (axes.length === 0 ? input[axis] === 1 : axes.includes(axis));
    return all.filter((axis) => !isSqueezed(axis));
  }
  const isReduced = (axis: number) => axes.length === 0 || axes.includes(axis);
  return intOf(node, 'keepdims', 1) !== 0
    ? all.map((axis) => (isReduced(axis) ? null : axis))
    : all.filter((axis) => !isReduced(axis));
}

/** An axis stays one where as many elements lie behind it as before, or the axes before it are the same. */
function reshaped(
  facts: GraphFacts,
  node: NodeMessage,
  input: Shape,
  output: Shape,
  channels: number,
): AxesThrough | undefined {
  const wanted = node.op_type === 'Reshape' ? facts.numbersOf(node.input[1]) : undefined;
  const isSame = (axis: number) =>
    wanted?.[axis] === 0 || (input[axis] !== null && input[axis] === output[axis]);
  const other = (from: Shape, to: Shape, behind: number): number | undefined => {
    const axis = from.length - 1 - behind;
    if (from[axis] !== channels) return undefined;
    const inner = sizeOf(from.slice(axis + 1));
    if (inner !== undefined) {
      // Axes of one place may lie beside it.
      const at = to.findLastIndex((size, i) => size === channels && sizeOf(to.slice(i + 1)) === inner);
      if (at >= 0) return to.length - 1 - at;
    }
    const before = Array.from({ length: axis }, (_, i) => i);
    return before.every(isSame) && to[axis] === channels ? to.length - 1 - axis : undefined;
  };
  return {
    after: (behind) => other(input, output, behind),
    before: (behind) => other(output, input, behind),
  };
}

function sizeOf(shape: Shape): number | undefined {
  let product = 1;
  for (const size of shape) {
    if (size === null) return undefined;
    product *= size;
  }
  return product;
}
