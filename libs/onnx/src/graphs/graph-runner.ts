import {
  decodeModel,
  nodesFor,
  readsOf,
  setElements,
  scatterMatrix,
  shapeOf,
  valuesBefore,
  viewOf,
  type Cut,
  type GraphView,
  type ModelMessage,
  type NodeMessage,
  type TensorMessage,
  type WeightSource,
} from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { narrow } from '@esparse/kernels';
import type { BlockRunner, GraphDescription, LoadedBlock, TapOptions, TapOutput } from '@esparse/model';
import { numericsId } from '../device/numerics.ts';
import { packState, unpackState } from './state.ts';
import { constantOutput, subGraphFile } from './sub-graph.ts';
import { tapRows, valuesOf } from './tap-rows.ts';
import { createTensorSession, type TensorSession, type TensorValue } from './tensor-session.ts';

/** A graph, read: the same for all of its steps. */
interface ReadGraph {
  readonly model: ModelMessage;
  readonly view: GraphView;
}

/** The names of the values before each step, in the order in which their states hold them. */
export function boundaryOf({ graph }: GraphDescription, file: Uint8Array, step: number): string[] {
  const { view } = readGraph(graph, file);
  return valuesBefore(view, graph.steps[step]?.from ?? 0);
}

function readGraph({ branches, taps }: GraphDescription['graph'], file: Uint8Array): ReadGraph {
  const model = decodeModel(file, 'the graph');
  const view = viewOf(model.graph, branches, 'the graph');
  // States of a recurrent node that the graph does not take are an output of it nevertheless.
  const states = new Set(taps.flatMap(({ source }) => (source.from === 'states' ? [source.value] : [])));
  const nodes = view.nodes.map((node): NodeMessage => {
    const [all = '', ...others] = node.output;
    const own = `${others.find((name) => name !== '') ?? ''}/states`;
    if (all !== '' || !states.has(own)) return node;
    return { ...node, attribute: node.attribute, output: [own, ...others] };
  });
  return { model, view: { ...view, nodes } };
}

/**
 * Prepares to run the steps of a graph, one sample a run, on the processor. A step is compiled when it is first run with the
 * weights that were loaded; two sessions, of its taps and of what it gives, are there at a time.
 */
export async function createGraphRunner(
  description: GraphDescription,
  file: Uint8Array,
  { threads }: { readonly threads?: number | undefined } = {},
): Promise<BlockRunner> {
  const { graph } = description;
  const read = readGraph(graph, file);
  const open = new Set<() => Promise<void>>();
  return {
    numerics: await numericsId(1),
    async load(block, weights, signal) {
      const cut = graph.steps[block];
      if (cut === undefined) {
        throw new EsparseError('usage', `there is no step ${block}: the graph has ${graph.steps.length}`);
      }
      const replaced = await matricesOf(description, read, block, weights, signal);
      const loaded = loadedStep({ description, read, cut, block, replaced, threads });
      open.add(loaded.release);
      return {
        ...loaded,
        async release() {
          open.delete(loaded.release);
          await loaded.release();
        },
      };
    },
    async release() {
      await Promise.all([...open].map((release) => release()));
    },
  };
}

/** The tensors of a step whose matrices may be pruned, with the elements that a source of weights has. */
async function matricesOf(
  { graph }: GraphDescription,
  { view }: ReadGraph,
  block: number,
  weights: WeightSource,
  signal?: AbortSignal,
): Promise<Map<number, TensorMessage>> {
  const messages = new Map([...view.constants.values()].map(({ tensor, message }) => [tensor, message]));
  const elements = new Map<number, Float32Array>();
  const isHalf = new Set<number>();
  for (const linear of graph.linears) {
    if (linear.step !== block) continue;
    const { tensor } = linear.place;
    const message = messages.get(tensor);
    if (message === undefined) throw new EsparseError('store', `the graph has no tensor ${tensor}`);
    const all =
      elements.get(tensor) ?? new Float32Array(shapeOf(message).reduce((size, axis) => size * axis, 1));
    elements.set(tensor, all);
    if (linear.dtype === 'F16') isHalf.add(tensor);
    scatterMatrix(await weights.read(linear.name, signal), all, linear.place, linear);
  }
  const replaced = new Map<number, TensorMessage>();
  for (const [tensor, values] of elements) {
    const message = messages.get(tensor)!;
    const filled = Object.assign(
      Object.create(Object.getPrototypeOf(message) as object) as TensorMessage,
      message,
    );
    setElements(filled, isHalf.has(tensor) ? narrow('f16', values) : values);
    replaced.set(tensor, filled);
  }
  return replaced;
}

interface Step {
  readonly description: GraphDescription;
  readonly read: ReadGraph;
  readonly cut: Cut;
  readonly block: number;
  readonly replaced: ReadonlyMap<number, TensorMessage>;
  readonly threads: number | undefined;
}

function loadedStep({ description, read, cut, block, replaced, threads }: Step): LoadedBlock {
  const { model, view } = read;
  const before = valuesBefore(view, cut.from);
  const behind = valuesBefore(view, cut.to);
  const sessions = new Map<string, Promise<TensorSession>>();
  let released = false;

  /** Those of the values that the boundary before does not have. */
  const compute = async (
    state: ReadonlyMap<string, TensorValue>,
    values: readonly string[],
  ): Promise<ReadonlyMap<string, TensorValue>> => {
    if (released) throw new EsparseError('internal', 'the step has been released');
    const wanted = [...new Set(values)].filter((name) => !state.has(name));
    if (wanted.length === 0) return state;
    const nodes = nodesFor(view, cut, wanted);
    const types = new Map([...state].map(([name, { type }]) => [name, type]));
    const key = JSON.stringify([wanted, [...types]]);
    let session = sessions.get(key);
    if (session === undefined) {
      const file = subGraphFile({ model, view, nodes, inputs: types, outputs: wanted, replaced });
      session = createTensorSession(file, { what: `step ${block} of the graph`, threads });
      sessions.set(key, session);
    }
    const needed = new Set(nodes.flatMap(readsOf));
    const inputs = new Map([...state].filter(([name]) => needed.has(name)));
    const outputs = wanted.map((name) => (view.constants.has(name) ? constantOutput(name) : name));
    const found = await (await session).run(inputs, outputs);
    return new Map([...state, ...wanted.map((name, i) => [name, found.get(outputs[i]!)!] as const)]);
  };

  return {
    async taps(hidden: Float32Array, { taps = [] }: TapOptions = {}): Promise<TapOutput[]> {
      const own = description.graph.taps.filter(
        ({ step, name }) => step === block && (taps.length === 0 || taps.includes(name)),
      );
      const state = unpackState(hidden, before);
      const values = await compute(
        state,
        own.flatMap(({ source }) => valuesOf(source)),
      );
      return own.map(({ name, channels, source }) => ({ tap: name, ...tapRows(source, channels, values) }));
    },
    async advance(hidden: Float32Array): Promise<Float32Array> {
      const values = await compute(unpackState(hidden, before), behind);
      return packState(behind.map((name) => values.get(name)!));
    },
    async release() {
      released = true;
      const all = [...sessions.values()];
      sessions.clear();
      await Promise.allSettled(all.map(async (session) => (await session).release()));
    },
  };
}
