import { EsparseError } from '@esparse/errors';
import {
  attributeOf,
  graphsIn,
  type GraphMessage,
  type NodeMessage,
  type TensorMessage,
  type ValueMessage,
} from './messages.ts';
import { tensorsOf } from './tensors.ts';

/** The nodes If that are looked into, by the name of their first output: whether the branch for true is the one. */
export type Branches = Readonly<Record<string, boolean>>;

/** A constant of a graph, and its number in the file: see `tensorsOf`. */
export interface ViewConstant {
  readonly message: TensorMessage;
  readonly tensor: number;
}

/**
 * A graph as one list of nodes: what is pruned, cut and run. The nodes of the branches that are looked into stand in the
 * place of their If.
 */
export interface GraphView {
  /** In an order in which every value is there before it is read. Nodes Constant are among `constants` instead. */
  readonly nodes: readonly NodeMessage[];
  /** By the names of their values. */
  readonly constants: ReadonlyMap<string, ViewConstant>;
  /** Nodes that compute from constants alone: whatever needs their values may compute them again. */
  readonly fixed: ReadonlySet<NodeMessage>;
  /** Values that the data give. */
  readonly inputs: readonly ValueMessage[];
  readonly outputs: readonly ValueMessage[];
}

/** Operators that give other values each time. */
const RANDOM = /^(Random|Multinomial|Bernoulli)/;

/**
 * Lists the nodes of a graph.
 * @throws EsparseError 'checkpoint' for a value that is read before it is there, as in a cycle, or made twice
 */
export function viewOf(graph: GraphMessage, branches: Branches, location: string): GraphView {
  const numbers = new Map(tensorsOf(graph).map(({ message }, tensor) => [message, tensor]));
  const constants = new Map<string, ViewConstant>();
  const nodes: NodeMessage[] = [];
  const keep = (value: string, message: TensorMessage) => {
    constants.set(value, { message, tensor: numbers.get(message)! });
  };
  const add = (part: GraphMessage) => {
    for (const message of part.initializer) keep(message.name, message);
    for (const node of part.node) {
      const constant = node.op_type === 'Constant' ? attributeOf(node, 'value')?.t : undefined;
      const branch = branchOf(node, branches);
      if (constant) keep(node.output[0] ?? '', constant);
      else if (branch) {
        add(branch);
        branch.output.forEach(({ name }, i) => {
          nodes.push(identity(name, node.output[i] ?? ''));
        });
      } else nodes.push(node);
    }
  };
  add(graph);
  const inputs = graph.input.filter(({ name }) => !constants.has(name));
  const view = { nodes, constants, inputs, outputs: graph.output };
  requireOrder(view, location);
  return { ...view, fixed: fixedNodes(view) };
}

/** The graph inside an If that takes its place. */
function branchOf(node: NodeMessage, branches: Branches): GraphMessage | null | undefined {
  const [name = ''] = node.output;
  if (node.op_type !== 'If' || !Object.hasOwn(branches, name)) return undefined;
  return attributeOf(node, branches[name] === true ? 'then_branch' : 'else_branch')?.g;
}

function identity(input: string, output: string): NodeMessage {
  return {
    input: [input],
    output: [output],
    name: `${output}/taken`,
    op_type: 'Identity',
    domain: '',
    attribute: [],
  };
}

/** The values that a node reads, those that the graphs inside it take from around it among them. */
export function readsOf(node: NodeMessage): string[] {
  const outer = graphsIn(node).flatMap(outerReads);
  return [...new Set([...node.input, ...outer])].filter((name) => name !== '');
}

/** What the nodes of a graph, and its outputs, take from around it. */
function outerReads(graph: GraphMessage): string[] {
  const own = new Set([...graph.initializer, ...graph.input].map(({ name }) => name));
  for (const { output } of graph.node) for (const name of output) own.add(name);
  const read = [...graph.node.flatMap(readsOf), ...graph.output.map(({ name }) => name)];
  return read.filter((name) => !own.has(name));
}

function requireOrder({ nodes, constants, inputs }: Omit<GraphView, 'fixed'>, location: string): void {
  const known = new Set([...constants.keys(), ...inputs.map(({ name }) => name)]);
  for (const node of nodes) {
    const missing = readsOf(node).find((name) => !known.has(name));
    if (missing !== undefined) {
      throw new EsparseError(
        'checkpoint',
        `${location}: the node '${nameOf(node)}' (${node.op_type}) reads '${missing}', which nothing before it gives`,
        { hint: 'the graph has a cycle, or its nodes are not in the order in which they run' },
      );
    }
    for (const name of node.output) {
      if (name !== '' && known.has(name)) {
        throw new EsparseError('checkpoint', `${location}: the value '${name}' is made twice`, {
          hint: 'names of values must differ, also inside the branches that are taken',
        });
      }
      known.add(name);
    }
  }
}

/** How messages name a node: by its first output where it has no name. */
export function nameOf({ name, output }: NodeMessage): string {
  return name === '' ? (output[0] ?? '') : name;
}

function fixedNodes({ nodes, constants }: Omit<GraphView, 'fixed'>): ReadonlySet<NodeMessage> {
  const known = new Set(constants.keys());
  const fixed = new Set<NodeMessage>();
  for (const node of nodes) {
    if (graphsIn(node).length > 0 || RANDOM.test(node.op_type)) continue;
    if (!readsOf(node).every((name) => known.has(name))) continue;
    fixed.add(node);
    for (const name of node.output) known.add(name);
  }
  return fixed;
}
