import type { NodeMessage } from '../messages.ts';
import { nameOf } from '../view.ts';
import type { GraphFacts, TensorAxis } from './graph-facts.ts';
import { completeOrder, isIdentity, mergedOrder, type Order } from './order.ts';
import { RULES, type OrderedValue } from './rules.ts';

/** What a value's order needs: axes of constants, each in an order of its own. */
export interface FollowedOrder {
  readonly axes: readonly (TensorAxis & { readonly order: Int32Array })[];
}

/** Where an order stops. */
export interface StoppedOrder {
  /**
   * 'crosses': channels would leave the parts that lie one behind the other at the node, as those of a Concat. 'input': it
   * is what the data give. 'output': the graph gives it. 'fixed': the node has no order that could be moved, or two are asked for.
   */
  readonly why: 'crosses' | 'fixed' | 'input' | 'output';
  /** The node, or the value. */
  readonly at: string;
  readonly operator: string;
  /** Of 'crosses': how many channels lie in each part. */
  readonly sizes?: readonly number[];
}

/**
 * Follows an order of a value's channels to all that must be in another order with it, so that the graph computes the same: to
 * what makes the value, whatever else reads it, and on from there.
 */
export function followOrder(facts: GraphFacts, start: OrderedValue): FollowedOrder | StoppedOrder {
  const values = new Map<string, OrderedValue>();
  const axes = new Map<string, TensorAxis & { readonly order: Order }>();
  const waiting = [start];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { value } = next;
    const known = values.get(value);
    const order = known === undefined ? next.order : mergedOrder(known.order, next.order);
    const maker = facts.makerOf(value);
    const isKnown = known !== undefined && order?.every((channel, i) => channel === known.order[i]) === true;
    if (order === undefined || (known !== undefined && known.behind !== next.behind)) {
      return maker === undefined ? { why: 'input', at: value, operator: '' } : stopAt(maker);
    }
    if (isKnown) continue;
    values.set(value, { ...next, order });
    // What stays where it is asks nothing of others; what others ask of it is told by what they ask.
    if (isIdentity(order)) continue;
    if (facts.isOutput(value)) return { why: 'output', at: value, operator: maker?.op_type ?? '' };
    if (maker === undefined) return { why: 'input', at: value, operator: '' };
    const at = { ...next, order };
    const roles = [[maker, true] as const, ...facts.readersOf(value).map((node) => [node, false] as const)];
    for (const [node, makes] of roles) {
      const isStandard = node.domain === '' || node.domain === 'ai.onnx';
      const step = isStandard ? RULES.get(node.op_type)?.(facts, node, at, makes) : undefined;
      if (step === undefined || 'why' in step) return { ...stopAt(node), ...step };
      for (const moved of step.axes) {
        const key = `${moved.tensor}:${moved.axis}`;
        const before = axes.get(key);
        const both = before === undefined ? moved.order : mergedOrder(before.order, moved.order);
        if (both === undefined) return stopAt(node);
        axes.set(key, { ...moved, order: both });
      }
      waiting.push(...step.values);
    }
  }
  return { axes: [...axes.values()].map((one) => ({ ...one, order: completeOrder(one.order) })) };
}

function stopAt(node: NodeMessage): StoppedOrder {
  return { why: 'fixed', at: nameOf(node), operator: node.op_type };
}
