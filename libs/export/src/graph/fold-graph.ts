import {
  attributeOf,
  intOf,
  readsOf,
  shapeOf,
  type GraphParts,
  type GraphView,
  type NodeMessage,
} from '@esparse/checkpoint';
import type { ChannelOrder } from '@esparse/model-store';

/** What became of a pruned matrix of a graph. */
export type GraphFate =
  /** What makes its input has its outputs in its order. */
  | 'folded'
  /** Its groups are consecutive as they are. */
  | 'contiguous'
  /** Its groups cross positions of the kernel. */
  | 'kernel'
  /** Something else makes or reads its input that has no order of channels to move, or has another one already. */
  | 'fixed';

/** An order of the elements of tensors along one of their axes: by tensor and axis, the original place at each place. */
export type TensorOrders = ReadonlyMap<number, ReadonlyMap<number, Int32Array>>;

/** Operators that treat all channels alike, one by one, with one input that has channels. */
const ELEMENTWISE = new Set([
  ...[
    'Relu',
    'LeakyRelu',
    'Elu',
    'Selu',
    'Sigmoid',
    'HardSigmoid',
    'HardSwish',
    'Tanh',
    'Softplus',
    'Erf',
    'Gelu',
  ],
  ...[
    'Clip',
    'Identity',
    'Neg',
    'Abs',
    'Sqrt',
    'Exp',
    'Log',
    'Reciprocal',
    'Dropout',
    'Mish',
    'Ceil',
    'Floor',
  ],
]);
/** The same of two inputs. */
const PAIRS = new Set(['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min', 'Pow', 'PRelu']);
/** The same, over the positions of each channel. */
const POOLS = new Set(['MaxPool', 'AveragePool', 'GlobalAveragePool', 'GlobalMaxPool']);

/** How the channels of a set of values lie: on the last axis, or behind the batch, before so many positions. */
type Layout = 'last' | number;

/** What a fold would change. */
interface Moves {
  /** Axes of tensors that are put in the order. */
  readonly axes: { readonly tensor: number; readonly axis: number }[];
}

/**
 * Moves the orders of inputs into what makes these: through activations, arithmetic with constants and with each other,
 * normalisation, pooling and depthwise convolutions, back to the matrices whose outputs they are. Whatever else reads one of
 * the values on the way has its own inputs put in that order. A graph whose branches are looked into is left as it is.
 */
export function foldGraph(
  { linears, taps, branches }: GraphParts,
  view: GraphView,
  orders: ReadonlyMap<string, ChannelOrder>,
): { readonly fates: ReadonlyMap<string, GraphFate>; readonly moved: TensorOrders } {
  const around = surroundingsOf(view);
  const moved = new Map<number, Map<number, Int32Array>>();
  const fates = new Map<string, GraphFate>();
  const reserved = new Set<string>();
  const sourceOf = (tap: string) => taps.find((one) => one.name === tap)?.source;
  // What is in order as it is stays so.
  for (const { name, tap, place } of linears) {
    const order = orders.get(name);
    if (order === undefined || !isContiguous(order)) continue;
    fates.set(name, 'contiguous');
    const axis = sourceOf(tap)?.from === 'windows' || place.innerStride === 1 ? 1 : 0;
    reserved.add(`${place.tensor}:${axis}`);
  }
  // Of those that read one value the largest has its way.
  const bySize = linears.toSorted((a, b) => b.rows * b.cols - a.rows * a.cols);
  for (const { name, tap, place, cols, inner } of bySize) {
    const order = orders.get(name);
    if (order === undefined || fates.has(name)) continue;
    const source = sourceOf(tap);
    const channels = inner ?? cols;
    const permutation = channelOrder(order.permutation, channels);
    const isLinear = source?.from === 'rows' || (source?.from === 'windows' && source.parts === 1);
    if (permutation === undefined) fates.set(name, 'kernel');
    else {
      const layout: Layout = source?.from === 'windows' ? source.kernel.length : 'last';
      const found =
        isLinear && Object.keys(branches).length === 0
          ? movesFrom(around, source.value, layout, channels, place.tensor)
          : undefined;
      const isTaken = ({ tensor, axis }: Moves['axes'][number]) =>
        moved.get(tensor)?.has(axis) === true || reserved.has(`${tensor}:${axis}`);
      const isFree = found !== undefined && !found.axes.some(isTaken);
      fates.set(name, isFree ? 'folded' : 'fixed');
      if (!isFree) continue;
      for (const { tensor, axis } of found.axes) {
        const axes = moved.get(tensor) ?? new Map<number, Int32Array>();
        moved.set(tensor, axes.set(axis, permutation));
      }
    }
  }
  return { fates, moved };
}

/** The order of the channels, where it is the same at each position of a kernel, and no channel leaves its position. */
function channelOrder(permutation: Int32Array, channels: number): Int32Array | undefined {
  const first = permutation.slice(0, channels);
  const isSame = permutation.every((from, at) => from === first[at % channels]! + at - (at % channels));
  return isSame && first.every((from) => from < channels) ? first : undefined;
}

function isContiguous({ permutation, pattern: { group } }: ChannelOrder): boolean {
  return permutation.every((from, at) => Math.floor(from / group) === Math.floor(at / group));
}

interface Around {
  readonly view: GraphView;
  readonly makers: ReadonlyMap<string, NodeMessage>;
  readonly readers: ReadonlyMap<string, readonly NodeMessage[]>;
}

function surroundingsOf(view: GraphView): Around {
  const makers = new Map(view.nodes.flatMap((node) => node.output.map((name) => [name, node] as const)));
  const readers = new Map<string, NodeMessage[]>();
  for (const node of view.nodes) {
    for (const name of readsOf(node)) readers.set(name, [...(readers.get(name) ?? []), node]);
  }
  return { view, makers, readers };
}

/** What must be put in another order with the channels of a value; undefined where that cannot be. */
function movesFrom(
  around: Around,
  value: string,
  layout: Layout,
  channels: number,
  own: number,
): Moves | undefined {
  const { view, makers, readers } = around;
  const outputs = new Set(view.outputs.map(({ name }) => name));
  const axes: { tensor: number; axis: number }[] = [];
  const seen = new Set<string>();
  const waiting = [value];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (seen.has(next)) continue;
    seen.add(next);
    const maker = makers.get(next);
    if (maker === undefined || outputs.has(next)) return undefined;
    const roles = [
      [maker, true] as const,
      ...(readers.get(next) ?? []).map((node) => [node, false] as const),
    ];
    for (const [node, makes] of roles) {
      const step = stepOf(around, node, makes, layout, channels);
      if (step === undefined) return undefined;
      axes.push(...step.axes);
      waiting.push(...step.values);
    }
  }
  const unique = [...new Map(axes.map((one) => [`${one.tensor}:${one.axis}`, one])).values()];
  return unique.some(({ tensor }) => tensor === own) ? { axes: unique } : undefined;
}

interface Step {
  readonly axes: readonly { readonly tensor: number; readonly axis: number }[];
  /** Values whose channels are the same. */
  readonly values: readonly string[];
}

/** What a node passes on. @param makes whether it makes the value, or reads it */
function stepOf(
  around: Around,
  node: NodeMessage,
  makes: boolean,
  layout: Layout,
  channels: number,
): Step | undefined {
  const { op_type: op, input, output, domain } = node;
  const { view } = around;
  if (domain !== '' && domain !== 'ai.onnx') return undefined;
  const variable = input.filter((name) => name !== '' && !isFixed(around, name));
  const axis = (name: string | undefined, at: number): Step['axes'] | undefined => {
    if (name === undefined || name === '') return [];
    const constant = view.constants.get(name);
    if (constant === undefined || !isOwn(around, name)) return undefined;
    return shapeOf(constant.message)[at] === channels ? [{ tensor: constant.tensor, axis: at }] : undefined;
  };
  const along = (
    parts: readonly (Step['axes'] | undefined)[],
    values: readonly string[],
  ): Step | undefined =>
    parts.some((part) => part === undefined)
      ? undefined
      : { axes: parts.flatMap((part) => part ?? []), values };

  if (op === 'Conv' && layout !== 'last') {
    const groups = intOf(node, 'group', 1);
    const weight = view.constants.get(input[1] ?? '');
    if (weight === undefined || !isOwn(around, input[1]!)) return undefined;
    const [rows = 0, each = 0] = shapeOf(weight.message);
    // A depthwise convolution has as many outputs as inputs, in the same order.
    if (groups === rows && each === 1 && groups > 1) {
      return along([axis(input[1], 0), axis(input[2], 0)], [input[0]!, output[0]!]);
    }
    if (groups !== 1) return undefined;
    return makes ? along([axis(input[1], 0), axis(input[2], 0)], []) : along([axis(input[1], 1)], []);
  }
  if ((op === 'Gemm' || op === 'MatMul') && layout === 'last') {
    const transposed = op === 'Gemm' && intOf(node, 'transB', 0) !== 0;
    if (op === 'Gemm' && intOf(node, 'transA', 0) !== 0) return undefined;
    const [ofOutputs, ofInputs] = transposed ? [0, 1] : [1, 0];
    if (view.constants.get(input[1] ?? '') === undefined) return undefined;
    if (!makes) return along([axis(input[1], ofInputs)], []);
    const bias = input[2] === undefined || input[2] === '' ? [] : lastAxis(around, input[2], channels);
    return along([axis(input[1], ofOutputs), bias], []);
  }
  if (op === 'BatchNormalization' && layout !== 'last') {
    const vectors = input.slice(1, 5).map((name) => axis(name, 0));
    return output.slice(1).some((name) => name !== '') ? undefined : along(vectors, [input[0]!, output[0]!]);
  }
  if (POOLS.has(op) && layout !== 'last') {
    return output.length > 1 && output[1] !== '' ? undefined : along([], [input[0]!, output[0]!]);
  }
  if (ELEMENTWISE.has(op)) {
    return variable.length === 1 && attributeOf(node, 'training_mode') === undefined
      ? along([], [variable[0]!, output[0]!])
      : undefined;
  }
  if (!PAIRS.has(op)) return undefined;
  const constants = input.filter((name) => name !== '' && isFixed(around, name));
  const parts = constants.map((name) =>
    layout === 'last' ? lastAxis(around, name, channels) : channelAxis(around, name, channels, layout),
  );
  return along(parts, [...variable, output[0]!]);
}

function isFixed({ view, makers }: Around, name: string): boolean {
  const maker = makers.get(name);
  return view.constants.has(name) || (maker !== undefined && view.fixed.has(maker));
}

/** Whether one node alone reads a constant. */
function isOwn({ view, readers }: Around, name: string): boolean {
  const { tensor } = view.constants.get(name)!;
  const names = [...view.constants]
    .filter(([, constant]) => constant.tensor === tensor)
    .map(([other]) => other);
  return names.reduce((sum, other) => sum + (readers.get(other)?.length ?? 0), 0) === 1;
}

/** The axis of a constant that goes along the channels on the last axis; none where it is the same for all. */
function lastAxis(around: Around, name: string, channels: number): Step['axes'] | undefined {
  return axisBefore(around, name, channels, 0);
}

/** The same before so many axes of positions. */
function channelAxis(
  around: Around,
  name: string,
  channels: number,
  positions: number,
): Step['axes'] | undefined {
  return axisBefore(around, name, channels, positions);
}

function axisBefore(
  around: Around,
  name: string,
  channels: number,
  behind: number,
): Step['axes'] | undefined {
  const constant = around.view.constants.get(name);
  if (constant === undefined) return undefined;
  const shape = shapeOf(constant.message);
  const axis = shape.length - 1 - behind;
  if (axis < 0 || shape[axis] === 1) return [];
  return shape[axis] === channels && isOwn(around, name) ? [{ tensor: constant.tensor, axis }] : undefined;
}

/** Puts the elements of a tensor in another order along its axes. */
export function inOrder<Elements extends Float32Array | Uint16Array>(
  elements: Elements,
  shape: readonly number[],
  axes: ReadonlyMap<number, Int32Array>,
): Elements {
  let now = elements;
  for (const [axis, order] of axes) {
    const inner = shape.slice(axis + 1).reduce((product, size) => product * size, 1);
    const size = shape[axis]!;
    const next = new (elements.constructor as new (length: number) => Elements)(now.length);
    for (let outer = 0; outer < now.length; outer += size * inner) {
      order.forEach((from, to) => {
        next.set(now.subarray(outer + from * inner, outer + (from + 1) * inner), outer + to * inner);
      });
    }
    now = next;
  }
  return now;
}
