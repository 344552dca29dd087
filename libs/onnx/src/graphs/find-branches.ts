import {
  decodeModel,
  externalOf,
  nodesFor,
  readsOf,
  tensorsOf,
  viewOf,
  type Branches,
  type GraphView,
  type ModelMessage,
} from '@esparse/checkpoint';
import { constantOutput, subGraphFile } from './sub-graph.ts';
import { createTensorSession, type TensorValue } from './tensor-session.ts';

export interface FindBranchesOptions {
  readonly location: string;
  /** Samples that the graph will be calibrated on. */
  readonly count: number;
  readonly sample: (index: number) => ReadonlyMap<string, TensorValue>;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Finds the nodes If that take the same branch with every sample: what is in it can then be pruned as if it stood outside.
 * The conditions are computed, those of outer nodes first; a node whose branch has names that are taken stays closed.
 */
export async function findBranches(file: Uint8Array, options: FindBranchesOptions): Promise<Branches> {
  const { location, signal } = options;
  const model = decodeModel(file, location);
  // What lies in other files is not read for this.
  if (tensorsOf(model.graph).some(({ message }) => externalOf(message) !== undefined)) return {};
  let branches: Branches = {};
  const seen = new Set<string>();
  for (;;) {
    const view = viewOf(model.graph, branches, location);
    const closed = view.nodes.filter(({ op_type: op, output }) => op === 'If' && !seen.has(output[0] ?? ''));
    if (closed.length === 0) return branches;
    signal?.throwIfAborted();
    const found = await conditionsOf(
      model,
      view,
      [...new Set(closed.map(({ input }) => input[0]!))],
      options,
    );
    for (const { input, output } of closed) {
      const [name = ''] = output;
      seen.add(name);
      const condition = found.get(input[0]!);
      if (condition === undefined) continue;
      const opened = { ...branches, [name]: condition };
      if (holds(() => viewOf(model.graph, opened, location))) branches = opened;
    }
  }
}

/** Conditions that are the same with every sample. */
async function conditionsOf(
  model: ModelMessage,
  view: GraphView,
  names: readonly string[],
  { count, sample, threads, signal }: FindBranchesOptions,
): Promise<Map<string, boolean>> {
  const nodes = nodesFor(view, { from: 0, to: view.nodes.length }, names);
  const read = new Set(nodes.flatMap(readsOf));
  const given = view.inputs.map(({ name }) => name);
  const outputs = names.map((name) => (view.constants.has(name) ? constantOutput(name) : name));
  const inputsOf = (index: number) =>
    new Map(
      [...sample(index)].filter(([name]) => (read.has(name) || names.includes(name)) && given.includes(name)),
    );
  const types = new Map([...inputsOf(0)].map(([name, { type }]) => [name, type]));
  // A condition may be an input itself.
  const computed = outputs.filter((name) => !types.has(name));
  const part = subGraphFile({
    model,
    view,
    nodes,
    inputs: types,
    outputs: names.filter((name) => !types.has(name)),
  });
  const session =
    computed.length === 0
      ? undefined
      : await createTensorSession(part, { what: 'the conditions of the graph', threads });
  try {
    const conditions = new Map<string, boolean>();
    const differ = new Set<string>();
    for (let i = 0; i < count; i++) {
      signal?.throwIfAborted();
      const inputs = inputsOf(i);
      const found = (await session?.run(inputs, computed)) ?? new Map<string, TensorValue>();
      names.forEach((name, n) => {
        const { bytes } = (inputs.get(name) ?? found.get(outputs[n]!))!;
        const condition = bytes[0] !== 0;
        if ((conditions.get(name) ?? condition) !== condition) differ.add(name);
        conditions.set(name, condition);
      });
    }
    for (const name of differ) conditions.delete(name);
    return conditions;
  } finally {
    await session?.release();
  }
}

function holds(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}
