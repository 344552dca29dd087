import { intOf, type NodeMessage } from '../messages.ts';
import type { GraphFacts, TensorAxis } from './graph-facts.ts';
import { isAny, orderOfParts, partsOfOrder, type Order } from './order.ts';
import { axesThrough } from './axes-through.ts';
import { BROADCASTS, ELEMENTWISE, POOLS, REDUCTIONS } from './operator-kinds.ts';
import { isOverPositions, isTraining, partsOf } from './shapes.ts';

/** The channels of a value in an order. */
export interface OrderedValue {
  readonly value: string;
  /** How many axes its channels have behind them: 0 on the last axis, 2 in a picture (batch, channels, height, width). */
  readonly behind: number;
  readonly order: Order;
}

/** What must be in another order where the channels of a value of a node are. */
export interface Passed {
  readonly axes: readonly (TensorAxis & { readonly order: Order })[];
  readonly values: readonly OrderedValue[];
}

/** Why an order stops at a node. */
export type Stop =
  /** Channels would leave the parts that lie one behind the other there, of these sizes. */
  | { readonly why: 'crosses'; readonly sizes: readonly number[] }
  /** It has no order of channels that could be moved. */
  | { readonly why: 'fixed' };

/** What a node does with the order of one of its values. @param makes whether it makes the value, or reads it */
export type Rule = (facts: GraphFacts, node: NodeMessage, at: OrderedValue, makes: boolean) => Passed | Stop;

const FIXED: Stop = { why: 'fixed' };
const NOTHING: Passed = { axes: [], values: [] };

/** Puts what must be moved together; undefined for an axis that cannot be. */
function passed(
  order: Order,
  axes: readonly (readonly TensorAxis[] | TensorAxis | undefined)[],
  values: readonly OrderedValue[] = [],
): Passed | Stop {
  if (axes.some((axis) => axis === undefined)) return FIXED;
  return { axes: axes.flatMap((axis) => axis ?? []).map((axis) => ({ ...axis, order })), values };
}

/** A constant that may be absent. */
function optional(facts: GraphFacts, value: string | undefined, size: number) {
  return value === undefined || value === '' ? [] : facts.ownAxis(value, 0, size);
}

/** All channels alike, one by one: every input that has channels, and the output, in the same order. */
const alike: Rule = (facts, { input, output }, { behind, order }) => {
  const channels = order.length;
  const isSpread = (name: string) => {
    const shape = facts.shapeOf(name);
    const axis = shape === undefined ? 0 : shape.length - 1 - behind;
    return axis < 0 || shape?.[axis] === 1;
  };
  const present = input.filter((name) => name !== '');
  const variable = present.filter((name) => !facts.isFixed(name) && !isSpread(name));
  const constants = present.filter((name) => facts.isFixed(name));
  return passed(
    order,
    constants.map((name) => facts.channelAxis(name, behind, channels)),
    [...variable, output[0]!].map((value) => ({ value, behind, order })),
  );
};

/** The same, of the first input alone; what else goes in has no channels. */
const first: Rule = (facts, { input, output }, { behind, order }) =>
  input.slice(1).every((name) => name === '' || facts.isFixed(name))
    ? { axes: [], values: [input[0]!, output[0]!].map((value) => ({ value, behind, order })) }
    : FIXED;

/** Of one output that is read. */
const ofOneOutput =
  (rule: Rule): Rule =>
  (facts, node, at, makes) =>
    node.output.slice(1).some((name) => name !== '') || isTraining(node)
      ? FIXED
      : rule(facts, node, at, makes);

/** Whether the channels of a value are its second axis, as convolutions and normalisation have them. */
function areSecond(facts: GraphFacts, value: string, behind: number): boolean {
  const shape = facts.shapeOf(value);
  return shape === undefined ? behind > 0 : shape.length === behind + 2;
}

/** Over the positions of each channel. */
const pooled: Rule = (facts, node, at, makes) =>
  at.behind > 0 && areSecond(facts, node.input[0]!, at.behind) ? first(facts, node, at, makes) : FIXED;

/** A number for each channel, of which there are vectors. */
const perChannel: Rule = (facts, { input, output }, { behind, order }) => {
  if (!areSecond(facts, input[0]!, behind)) return FIXED;
  const vectors = input.slice(1).map((name) => facts.ownAxis(name, 0, order.length));
  return passed(
    order,
    vectors,
    [input[0]!, output[0]!].map((value) => ({ value, behind, order })),
  );
};

/** Groups of channels are normalised together, so each keeps its own. The vectors are per channel, or before opset 21 per group. */
const groupNormalised: Rule = (facts, node, { behind, order }) => {
  const { input, output } = node;
  const groups = intOf(node, 'num_groups', 1);
  if (!areSecond(facts, input[0]!, behind) || order.length % groups !== 0) return FIXED;
  const sizes = new Array<number>(groups).fill(order.length / groups);
  if (partsOfOrder(order, sizes) === undefined) return { why: 'crosses', sizes };
  const vectors = input.slice(1).map((name) => {
    const isPerGroup = facts.shapeOf(name)?.[0] === groups && groups !== order.length;
    return isPerGroup ? [] : facts.ownAxis(name, 0, order.length);
  });
  return passed(
    order,
    vectors,
    [input[0]!, output[0]!].map((value) => ({ value, behind, order })),
  );
};

const conv: Rule = (facts, node, at, makes) => {
  const { input, output } = node;
  const [value, weight = '', bias] = input;
  const { behind, order } = at;
  const shape = facts.shapeOf(weight);
  if (shape?.length !== behind + 2 || behind === 0) return FIXED;
  if (!makes && at.value !== value) return FIXED;
  const groups = intOf(node, 'group', 1);
  const [rows, each] = shape as [number, number];
  // A depthwise convolution has as many outputs as inputs, in the same order.
  if (groups > 1 && groups === rows && each === 1) {
    return passed(
      order,
      [facts.ownAxis(weight, 0, order.length), optional(facts, bias, order.length)],
      [
        { value: value!, behind, order },
        { value: output[0]!, behind, order },
      ],
    );
  }
  if (!makes) return groups === 1 ? passed(order, [facts.ownAxis(weight, 1, order.length)]) : FIXED;
  // Each group of outputs reads its own inputs.
  const sizes = new Array<number>(groups).fill(rows / groups);
  if (groups > 1 && partsOfOrder(order, sizes) === undefined) return { why: 'crosses', sizes };
  return passed(order, [facts.ownAxis(weight, 0, order.length), optional(facts, bias, order.length)]);
};

const convTranspose: Rule = (facts, node, at, makes) => {
  const [value, weight = '', bias] = node.input;
  const { behind, order } = at;
  if (facts.shapeOf(weight)?.length !== behind + 2 || behind === 0 || intOf(node, 'group', 1) !== 1)
    return FIXED;
  if (makes)
    return passed(order, [facts.ownAxis(weight, 1, order.length), optional(facts, bias, order.length)]);
  return at.value === value ? passed(order, [facts.ownAxis(weight, 0, order.length)]) : FIXED;
};

const matrix: Rule = (facts, node, { value, behind, order }, makes) => {
  const { op_type: op, input } = node;
  const isGemm = op === 'Gemm';
  if (behind !== 0 || (isGemm && intOf(node, 'transA', 0) !== 0) || facts.shapeOf(input[1]!)?.length !== 2)
    return FIXED;
  const [ofOutputs, ofInputs] = isGemm && intOf(node, 'transB', 0) !== 0 ? [0, 1] : [1, 0];
  if (!makes)
    return value === input[0] ? passed(order, [facts.ownAxis(input[1]!, ofInputs, order.length)]) : FIXED;
  const bias = input[2] === undefined || input[2] === '' ? [] : facts.channelAxis(input[2], 0, order.length);
  return passed(order, [facts.ownAxis(input[1]!, ofOutputs, order.length), bias]);
};

/** The inputs of all gates; what comes out has the order of the state, which is not moved. */
const recurrent: Rule = (facts, { input }, { value, behind, order }, makes) =>
  makes || behind !== 0 || value !== input[0]
    ? FIXED
    : passed(order, [facts.ownAxis(input[1]!, 2, order.length)]);

/** How many axes an axis that a node names has behind it, in a value of the node. */
function behindOf(facts: GraphFacts, node: NodeMessage, byDefault: number): number | undefined {
  const axis = intOf(node, 'axis', byDefault);
  if (axis < 0) return -axis - 1;
  const rank = [...node.input, ...node.output]
    .map((name) => facts.shapeOf(name)?.length)
    .find((one) => one !== undefined);
  return rank === undefined ? undefined : rank - 1 - axis;
}

const concat: Rule = (facts, node, at, makes) => {
  const { input, output } = node;
  const { behind, order } = at;
  const along = behindOf(facts, node, 0);
  if (along === undefined) return FIXED;
  if (along !== behind) return alike(facts, node, at, makes);
  const found = input.map((name) => {
    const shape = facts.shapeOf(name);
    return shape?.[shape.length - 1 - behind] ?? undefined;
  });
  if (found.includes(undefined)) return FIXED;
  const sizes = found as number[];
  if (!makes) {
    const parts = input.map((name) => (name === at.value ? order : undefined));
    return { axes: [], values: [{ value: output[0]!, behind, order: orderOfParts(sizes, parts) }] };
  }
  const parts = partsOfOrder(order, sizes);
  if (parts === undefined) return { why: 'crosses', sizes };
  const axes: Passed['axes'][number][] = [];
  const values: OrderedValue[] = [];
  for (const [i, part] of parts.entries()) {
    const value = input[i]!;
    if (isAny(part)) continue;
    if (!facts.isFixed(value)) {
      values.push({ value, behind, order: part });
      continue;
    }
    const moved = facts.channelAxis(value, behind, part.length);
    if (moved === undefined) return FIXED;
    axes.push(...moved.map((axis) => ({ ...axis, order: part })));
  }
  return { axes, values };
};

const split: Rule = (facts, node, at, makes) => {
  const { input, output } = node;
  const { behind, order } = at;
  const along = behindOf(facts, node, 0);
  if (along === undefined) return FIXED;
  if (along !== behind) {
    return { axes: [], values: [input[0]!, ...output].map((value) => ({ value, behind, order })) };
  }
  const shape = facts.shapeOf(input[0]!);
  const sizes = partsOf(node, shape?.[shape.length - 1 - behind], facts);
  if (sizes === undefined) return FIXED;
  if (makes) {
    const parts = output.map((name) => (name === at.value ? order : undefined));
    return { axes: [], values: [{ value: input[0]!, behind, order: orderOfParts(sizes, parts) }] };
  }
  const parts = partsOfOrder(order, sizes);
  if (parts === undefined) return { why: 'crosses', sizes };
  return {
    axes: [],
    values: parts.flatMap((part, i) =>
      isAny(part) || output[i] === '' ? [] : [{ value: output[i]!, behind, order: part }],
    ),
  };
};

/** Nodes that give the axes other places, and leave the channels one axis. */
const rearranged: Rule = (facts, node, { behind, order }, makes) => {
  const through = axesThrough(facts, node, order.length);
  const other = makes ? through?.before(behind) : through?.after(behind);
  // What is taken together over all channels is the same in any order.
  if (other === 'gone') return makes ? FIXED : NOTHING;
  if (other === undefined) return FIXED;
  const [inside, outside] = makes ? [other, behind] : [behind, other];
  return {
    axes: [],
    values: [
      { value: node.input[0]!, behind: inside, order },
      { value: node.output[0]!, behind: outside, order },
    ],
  };
};

/** Larger or smaller over the positions. */
const resized: Rule = (facts, node, at, makes) => {
  const shape = facts.shapeOf(node.input[0]!);
  return at.behind > 0 && shape?.length === at.behind + 2 && isOverPositions(node, shape, facts)
    ? first(facts, node, at, makes)
    : FIXED;
};

const REARRANGED = [...REDUCTIONS, 'Transpose', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze'];

/** What each operator of the standard domain does; others have no order that could be moved. */
export const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ...ELEMENTWISE.map((op): [string, Rule] => [op, ofOneOutput(first)]),
  ...BROADCASTS.map((op): [string, Rule] => [op, alike]),
  ...POOLS.map((op): [string, Rule] => [op, ofOneOutput(pooled)]),
  ...REARRANGED.map((op): [string, Rule] => [op, rearranged]),
  ['BatchNormalization', ofOneOutput(perChannel)],
  ['InstanceNormalization', perChannel],
  // Over channels, positions or both: mean and deviation are of all alike, scale and bias lie along the last axes.
  ['LayerNormalization', ofOneOutput(alike)],
  ['GroupNormalization', groupNormalised],
  ['Conv', conv],
  ['ConvTranspose', convTranspose],
  ['Gemm', matrix],
  ['MatMul', matrix],
  ['LSTM', recurrent],
  ['GRU', recurrent],
  ['Concat', concat],
  ['Split', split],
  ['Resize', resized],
  ['Pad', resized],
]);
