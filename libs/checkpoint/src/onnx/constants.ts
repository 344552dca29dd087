import { ELEMENT, type NodeMessage } from './messages.ts';
import type { ConstantFacts, Surroundings } from './operators/operator.ts';
import { shapeOf } from './tensors.ts';
import { readsOf, type GraphView } from './view.ts';

/** Operators that move rows, and change nothing in them, as long as their lengths stay. */
const MOVES_ROWS = new Set(['Identity', 'Unsqueeze', 'Squeeze', 'Concat', 'Slice', 'Split']);

/** What of a graph is constant, or put together from constants. */
export interface Constants extends Surroundings {
  /** Whether nothing but what passes it on to one node reads a constant. */
  isOwn(tensor: number): boolean;
}

/** Looks into the constants of a graph. */
export function constantsOf(view: GraphView): Constants {
  const makers = new Map(view.nodes.flatMap((node) => node.output.map((name) => [name, node] as const)));
  const readers = new Map<string, NodeMessage[]>();
  for (const node of view.nodes) {
    for (const name of readsOf(node)) readers.set(name, [...(readers.get(name) ?? []), node]);
  }
  const factsOf = (value: string): ConstantFacts | undefined => {
    const constant = view.constants.get(value);
    if (constant === undefined) return undefined;
    const { tensor, message } = constant;
    return { tensor, shape: shapeOf(message), type: message.data_type };
  };
  const fixedMaker = (value: string): NodeMessage | undefined => {
    const maker = makers.get(value);
    return maker !== undefined && view.fixed.has(maker) ? maker : undefined;
  };
  const constantOf = (value: string): ConstantFacts | undefined => {
    const found = factsOf(value);
    if (found !== undefined) return found;
    const maker = fixedMaker(value);
    return maker?.op_type === 'Identity' ? constantOf(maker.input[0] ?? '') : undefined;
  };
  /** The float constants that a value is made of; undefined where something else than moving rows makes it. */
  const sourcesOf = (value: string): readonly ConstantFacts[] | undefined => {
    const found = factsOf(value);
    if (found !== undefined) return [found];
    const maker = fixedMaker(value);
    if (maker === undefined || !MOVES_ROWS.has(maker.op_type)) return undefined;
    // Where to cut, and which axes, are inputs, too.
    const moved = maker.op_type === 'Concat' ? maker.input : maker.input.slice(0, 1);
    const sources = moved.map(sourcesOf);
    return sources.some((source) => source === undefined)
      ? undefined
      : sources.flatMap((source) => source ?? []);
  };
  /** The nodes that read a constant in the end, through those that compute from constants alone. */
  const usersOf = (value: string): Set<NodeMessage> => {
    const users = new Set<NodeMessage>();
    for (const reader of readers.get(value) ?? []) {
      if (!view.fixed.has(reader)) users.add(reader);
      else for (const name of reader.output) for (const user of usersOf(name)) users.add(user);
    }
    return users;
  };
  return {
    constantOf,
    rowsOf(value) {
      const sources = sourcesOf(value) ?? [];
      const [first] = sources;
      const isOne = first !== undefined && sources.every(({ tensor }) => tensor === first.tensor);
      return isOne && first.shape.length === 2 && isFloat(first) ? first : undefined;
    },
    isOwn(tensor) {
      const users = new Set<NodeMessage>();
      for (const [name, constant] of view.constants) {
        if (constant.tensor === tensor) for (const user of usersOf(name)) users.add(user);
      }
      return users.size <= 1;
    },
  };
}

/** Whether it is of a type whose matrices are pruned. */
export function isFloat({ type }: Pick<ConstantFacts, 'type'>): boolean {
  return type === ELEMENT.FLOAT || type === ELEMENT.FLOAT16;
}
