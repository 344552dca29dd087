import { isFloat } from '../constants.ts';
import type { NodeMessage } from '../messages.ts';
import { shapeOf } from '../tensors.ts';
import { readsOf, type GraphView } from '../view.ts';
import { shapesOf, type Known } from './shapes.ts';

/** An axis of a constant tensor of a graph. */
export interface TensorAxis {
  readonly tensor: number;
  readonly axis: number;
}

/** What orders are followed with: who makes and reads a value, what sizes are known, and which constants are one node's own. */
export interface GraphFacts extends Known {
  readonly view: GraphView;
  /** How many axes a constant has, by its number. */
  axesOfTensor(tensor: number): number;
  makerOf(value: string): NodeMessage | undefined;
  readersOf(value: string): readonly NodeMessage[];
  isOutput(value: string): boolean;
  /** Whether it is the same with all data. */
  isFixed(value: string): boolean;
  /** Axis `axis` of a constant that one node alone reads, where it has so many places; undefined otherwise. */
  ownAxis(value: string, axis: number, size: number): TensorAxis | undefined;
  /**
   * The axis of a constant that lies along the channels, `behind` axes from the last: none where it is the same for all
   * channels, undefined where it cannot be put in another order.
   */
  channelAxis(value: string, behind: number, channels: number): readonly TensorAxis[] | undefined;
}

/** Nodes that give a constant other axes and leave its elements as they lie. */
const RESHAPES = new Set(['Reshape', 'Unsqueeze', 'Squeeze', 'Flatten', 'Identity']);

/** Gathers them once for a graph. */
export function graphFacts(view: GraphView): GraphFacts {
  const known = shapesOf(view);
  const makers = new Map(view.nodes.flatMap((node) => node.output.map((name) => [name, node] as const)));
  const readers = new Map<string, NodeMessage[]>();
  for (const node of view.nodes) {
    for (const name of readsOf(node)) readers.set(name, [...(readers.get(name) ?? []), node]);
  }
  const uses = new Map<number, number>();
  const ranks = new Map<number, number>();
  for (const [name, { tensor, message }] of view.constants) {
    ranks.set(tensor, message.dims.length);
    uses.set(tensor, (uses.get(tensor) ?? 0) + (readers.get(name)?.length ?? 0));
  }
  const outputs = new Set(view.outputs.map(({ name }) => name));
  const isFixed = (value: string) => {
    const maker = makers.get(value);
    return view.constants.has(value) || (maker !== undefined && view.fixed.has(maker));
  };
  const ownAxis = (value: string, axis: number, size: number): TensorAxis | undefined => {
    const constant = view.constants.get(value);
    if (constant === undefined || uses.get(constant.tensor) !== 1 || outputs.has(value)) return undefined;
    if (!isFloat({ type: constant.message.data_type })) return undefined;
    return shapeOf(constant.message)[axis] === size ? { tensor: constant.tensor, axis } : undefined;
  };
  /** The vector that a value is, in whatever shape. */
  const vectorBehind = (value: string, size: number): TensorAxis | undefined => {
    const maker = makers.get(value);
    if (maker !== undefined) {
      const isLone = (readers.get(value)?.length ?? 0) === 1 && RESHAPES.has(maker.op_type);
      return isLone ? vectorBehind(maker.input[0] ?? '', size) : undefined;
    }
    const axis = known.shapeOf(value)?.findIndex((length) => length !== 1) ?? -1;
    return axis < 0 ? undefined : ownAxis(value, axis, size);
  };
  return {
    ...known,
    ...{ view, isFixed, ownAxis },
    axesOfTensor: (tensor) => ranks.get(tensor) ?? 0,
    makerOf: (value) => makers.get(value),
    readersOf: (value) => readers.get(value) ?? [],
    isOutput: (value) => outputs.has(value),
    channelAxis(value, behind, channels) {
      const shape = known.shapeOf(value);
      if (shape === undefined) return undefined;
      const axis = shape.length - 1 - behind;
      if (axis < 0 || shape[axis] === 1) return [];
      if (shape[axis] !== channels) return undefined;
      const isVector = shape.every((size, i) => i === axis || size === 1);
      const found = view.constants.has(value)
        ? ownAxis(value, axis, channels)
        : isVector
          ? vectorBehind(value, channels)
          : undefined;
      return found && [found];
    },
  };
}
