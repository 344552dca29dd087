import {
  attributeOf,
  ELEMENT,
  intOf,
  intsOf,
  wholeOf,
  type NodeMessage,
  type ValueMessage,
} from '../messages.ts';
import { elementsIn, externalOf, shapeOf } from '../tensors.ts';
import type { GraphView, ViewConstant } from '../view.ts';
import { BROADCASTS, ELEMENTWISE, REDUCTIONS } from './operator-kinds.ts';
import { spread } from './spread.ts';

/** Sizes of the axes of a value; null for one that the data give. */
export type Shape = readonly (number | null)[];

/** What is known of a graph's values. */
export interface Known {
  /** Undefined where not even the number of axes is known. */
  shapeOf(value: string): Shape | undefined;
  /** Whole numbers of a constant, such as axes and sizes; undefined where it is none. */
  numbersOf(value: string | undefined): number[] | undefined;
  /** The same of f32, such as scales. */
  floatsOf(value: string): number[] | undefined;
}

type Rule = (node: NodeMessage, inputs: readonly (Shape | undefined)[], known: Known) => Shape | undefined;

/** Operators whose output is as large as their first input. */
const SAME = [
  ...ELEMENTWISE,
  ...['BatchNormalization', 'InstanceNormalization', 'GroupNormalization', 'LayerNormalization'],
];

/** The axes that a node reduces, or takes away: as an attribute, or as its second input; undefined where they are computed. */
export function axesOf(node: NodeMessage, rank: number, known: Known): number[] | undefined {
  const given = intsOf(node, 'axes') ?? (node.input[1] ? known.numbersOf(node.input[1]) : []);
  if (given?.length === 0 && intOf(node, 'noop_with_empty_axes', 0) !== 0) return undefined;
  return given?.map((axis) => (axis < 0 ? axis + rank : axis));
}

const same: Rule = (_, [first]) => first;
const broadcast: Rule = (_, inputs) => {
  if (inputs.some((shape) => shape === undefined)) return undefined;
  const rank = Math.max(...inputs.map((shape) => shape!.length));
  return Array.from({ length: rank }, (__, axis) => {
    const sizes = inputs.map(
      (shape) => shape![axis - rank + shape!.length] ?? (axis - rank + shape!.length < 0 ? 1 : null),
    );
    return sizes.find((size) => size !== null && size !== 1) ?? (sizes.includes(null) ? null : 1);
  });
};
const reduce: Rule = (node, [first], known) => {
  if (first === undefined) return undefined;
  const axes = axesOf(node, first.length, known);
  if (axes === undefined) return undefined;
  const isReduced = (axis: number) => axes.length === 0 || axes.includes(axis);
  return intOf(node, 'keepdims', 1) !== 0
    ? first.map((size, axis) => (isReduced(axis) ? 1 : size))
    : first.filter((_, axis) => !isReduced(axis));
};
const positions = (count: number) => new Array<null>(Math.max(0, count)).fill(null);
const pool: Rule = (_, [first]) => first && [...first.slice(0, 2), ...positions(first.length - 2)];

const overPositions: Rule = (node, [first], known) =>
  first?.map((size, axis) => (axis < 2 && isOverPositions(node, first, known) ? size : null));

/** All states: (time, directions, batch, hidden). */
const recurrent: Rule = (node, [first, , states]) =>
  first?.length === 3 && states?.length === 3 && intOf(node, 'layout', 0) === 0
    ? [first[0]!, states[0]!, first[1]!, states[2]!]
    : undefined;

const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ...SAME.map((op) => [op, same] as const),
  ...BROADCASTS.map((op) => [op, broadcast] as const),
  ...REDUCTIONS.map((op) => [op, reduce] as const),
  ...(['MaxPool', 'AveragePool', 'LpPool'] as const).map((op) => [op, pool] as const),
  ...(['GlobalAveragePool', 'GlobalMaxPool'] as const).map(
    (op) =>
      [op, (_, [first]) => first && [...first.slice(0, 2), ...first.slice(2).map(() => 1)]] as [string, Rule],
  ),
  [
    'Conv',
    (_, [first, weight]) => weight && [first?.[0] ?? null, weight[0]!, ...positions(weight.length - 2)],
  ],
  [
    'ConvTranspose',
    (node, [first, weight]) => {
      const each = weight?.[1];
      return (
        weight && [
          first?.[0] ?? null,
          each ? each * intOf(node, 'group', 1) : null,
          ...positions(weight.length - 2),
        ]
      );
    },
  ],
  [
    'Gemm',
    (node, [first, weight]) =>
      weight && [first?.[0] ?? null, weight[intOf(node, 'transB', 0) === 0 ? 1 : 0] ?? null],
  ],
  [
    'MatMul',
    (_, [first, weight]) =>
      first !== undefined && first.length >= 2 && weight?.length === 2
        ? [...first.slice(0, -1), weight[1]!]
        : undefined,
  ],
  [
    'Concat',
    (node, inputs) => {
      const [first] = inputs;
      if (first === undefined || inputs.some((shape) => shape?.length !== first.length)) return undefined;
      const at = intOf(node, 'axis', 0);
      const along = at < 0 ? at + first.length : at;
      const sizes = inputs.map((shape) => shape![along] ?? null);
      const sum = sizes.includes(null) ? null : sizes.reduce<number>((total, size) => total + size!, 0);
      return first.map((size, axis) =>
        axis === along ? sum : (inputs.map((shape) => shape![axis]).find((one) => one !== null) ?? size),
      );
    },
  ],
  [
    'Transpose',
    (node, [first]) =>
      first &&
      (intsOf(node, 'perm') ?? first.map((_, i) => first.length - 1 - i)).map((axis) => first[axis] ?? null),
  ],
  [
    'Flatten',
    (node, [first]) => {
      if (first === undefined) return undefined;
      const at = intOf(node, 'axis', 1);
      const axis = at < 0 ? at + first.length : at;
      return [productOf(first.slice(0, axis)), productOf(first.slice(axis))];
    },
  ],
  [
    'Reshape',
    (node, [first], known) => {
      const wanted = known.numbersOf(node.input[1]);
      if (wanted === undefined || intOf(node, 'allowzero', 0) !== 0) return undefined;
      const sizes = wanted.map((size, axis) =>
        size === 0 ? (first?.[axis] ?? null) : size === -1 ? null : size,
      );
      const open = wanted.indexOf(-1);
      const [all, others] = [first && productOf(first), productOf(sizes.filter((_, axis) => axis !== open))];
      if (open >= 0 && all != null && others) sizes[open] = all / others;
      return sizes;
    },
  ],
  [
    'Squeeze',
    (node, [first], known) => {
      const axes = first && axesOf(node, first.length, known);
      // Without axes all sizes of 1 go: which these are must be known.
      if (axes?.length === 0) return first!.includes(null) ? undefined : first!.filter((size) => size !== 1);
      return axes && first.filter((_, axis) => !axes.includes(axis));
    },
  ],
  [
    'Unsqueeze',
    (node, [first], known) => {
      const given = intsOf(node, 'axes') ?? known.numbersOf(node.input[1]);
      if (first === undefined || given === undefined) return undefined;
      const rank = first.length + given.length;
      const added = new Set(given.map((axis) => (axis < 0 ? axis + rank : axis)));
      const left = [...first];
      return Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : (left.shift() ?? null)));
    },
  ],
  ['LSTM', recurrent],
  ['GRU', recurrent],
  ['Resize', overPositions],
  ['Pad', overPositions],
]);

/** Learns what is known of the values of a graph from its inputs, its constants and what its nodes do; what is not is unknown. */
export function shapesOf(view: GraphView): Known {
  const found = new Map<string, Shape>();
  for (const { name, type } of view.inputs) {
    const shape = shapeOfInput(type);
    if (shape !== undefined) found.set(name, shape);
  }
  const known: Known = {
    shapeOf: (value) => {
      const constant = view.constants.get(value);
      return constant === undefined ? found.get(value) : shapeOf(constant.message);
    },
    numbersOf: (value) => {
      const constant = value === undefined ? undefined : view.constants.get(value);
      return constant && wholeNumbers(constant);
    },
    floatsOf: (value) => {
      const message = view.constants.get(value)?.message;
      if (message?.data_type !== ELEMENT.FLOAT || externalOf(message) !== undefined) return undefined;
      return [...elementsIn(message)];
    },
  };
  for (const node of view.nodes) {
    const [output = ''] = node.output;
    if (node.domain !== '' && node.domain !== 'ai.onnx') continue;
    const inputs = node.input.map((name) => (name === '' ? [] : known.shapeOf(name)));
    if (node.op_type === 'Split') {
      for (const [name, shape] of splitShapes(node, inputs[0], known)) found.set(name, shape);
      continue;
    }
    const shape = RULES.get(node.op_type)?.(node, inputs, known);
    if (shape !== undefined) found.set(output, shape);
  }
  return known;
}

/** The sizes of the parts that a node Split makes; undefined where they are computed. */
export function partsOf(
  node: NodeMessage,
  size: number | null | undefined,
  known: Known,
): number[] | undefined {
  const given = intsOf(node, 'split') ?? (node.input[1] ? known.numbersOf(node.input[1]) : undefined);
  if (given !== undefined || (node.input[1] ?? '') !== '') return given;
  return size == null ? undefined : spread(size, node.output.length);
}

function splitShapes(node: NodeMessage, input: Shape | undefined, known: Known): [string, Shape][] {
  if (input === undefined) return [];
  const at = intOf(node, 'axis', 0);
  const along = at < 0 ? at + input.length : at;
  const parts = partsOf(node, input[along], known);
  return node.output.map((name, i) => [
    name,
    input.map((size, axis) => (axis === along ? (parts?.[i] ?? null) : size)),
  ]);
}

function productOf(sizes: Shape): number | null {
  return sizes.reduce<number | null>(
    (product, size) => (product === null || size === null ? null : product * size),
    1,
  );
}

function shapeOfInput(type: ValueMessage['type']): Shape | undefined {
  return type?.tensor_type?.shape?.dim.map(({ dim_value: size }) => {
    const length = size === undefined || size === null ? 0 : wholeOf(size);
    return length > 0 ? length : null;
  });
}

/** Of a short list of 64 bits, as axes and sizes are. */
function wholeNumbers({ message }: ViewConstant): number[] | undefined {
  const { data_type: type, raw_data: raw, int64_data: words } = message;
  if (type !== ELEMENT.INT64) return undefined;
  if (raw.length === 0) return words.map(wholeOf);
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  return Array.from({ length: Math.floor(raw.length / 8) }, (_, i) => Number(view.getBigInt64(8 * i, true)));
}

/** Whether a node has an attribute that says that it trains. */
export function isTraining(node: NodeMessage): boolean {
  return attributeOf(node, 'training_mode') !== undefined && intOf(node, 'training_mode', 0) !== 0;
}

/** Whether a Resize or a Pad leaves batch and channels, the first two axes, as they are. */
export function isOverPositions(node: NodeMessage, input: Shape, known: Known): boolean {
  if (input.length < 3 || attributeOf(node, 'axes') !== undefined) return false;
  if (node.op_type === 'Pad') {
    const pads = intsOf(node, 'pads') ?? known.numbersOf(node.input[1]);
    const [rank, hasAxes] = [input.length, (node.input[3] ?? '') !== ''];
    return pads !== undefined && !hasAxes && [0, 1, rank, rank + 1].every((at) => pads[at] === 0);
  }
  const [, , scales = '', sizes = ''] = node.input;
  // Before opset 11 the scales were the second input.
  const given =
    sizes !== '' ? known.numbersOf(sizes) : known.floatsOf(node.input.length === 2 ? node.input[1]! : scales);
  if (given?.length !== input.length) return false;
  return sizes === '' ? given[0] === 1 && given[1] === 1 : given[1] === input[1];
}
