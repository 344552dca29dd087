import { EsparseError } from '@esparse/errors';
import type { ModelDescription } from '../description.ts';
import { buildBlockGraph, type BlockGraph } from '../onnx/block-graph.ts';
import { BLOCK_INPUT } from '../program.ts';
import { createSession, type Session, type Value } from './session.ts';

/** A session for some of a block's values, compiled at its first run. */
export interface LazyBlockSession {
  /** @param inputs every parameter of the block by slot, and the block's input; those not needed are left out */
  run(inputs: ReadonlyMap<string, Value>): Promise<ReadonlyMap<string, Value>>;
  release(): Promise<void>;
}

export function lazyBlockSession(
  description: ModelDescription,
  rows: number,
  threads: number | undefined,
  values: readonly string[],
): LazyBlockSession {
  let compiled: Promise<{ graph: BlockGraph; session: Session }> | undefined;
  let released = false;

  async function compile(): Promise<{ graph: BlockGraph; session: Session }> {
    const graph = buildBlockGraph(description, rows, values);
    return { graph, session: await createSession(graph.bytes, { threads }) };
  }

  return {
    async run(inputs) {
      if (released) throw new EsparseError('internal', 'the block runner has been released');
      compiled ??= compile();
      const { graph, session } = await compiled;
      const outputs = new Map<string, Value>();
      for (const [name, shape] of graph.outputs) {
        // Ours, not ONNX Runtime's: the collector knows the size of these.
        outputs.set(name, { data: new Float32Array(shape[0]! * shape[1]!), shape });
      }
      await session.run(pick(inputs, [BLOCK_INPUT, ...graph.parameters.keys()]), outputs);
      return outputs;
    },
    async release() {
      released = true;
      // A graph that failed to compile has said so to whoever ran it.
      await compiled?.then(
        ({ session }) => session.release(),
        () => undefined,
      );
      compiled = undefined;
    },
  };
}

function pick(values: ReadonlyMap<string, Value>, names: readonly string[]): Map<string, Value> {
  return new Map(
    names.map((name) => {
      const value = values.get(name);
      if (value === undefined) throw new EsparseError('internal', `no value '${name}' for the block's graph`);
      return [name, value];
    }),
  );
}
