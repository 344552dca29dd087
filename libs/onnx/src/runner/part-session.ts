import { EsparseError } from '@esparse/errors';
import { neededFor, operationOf } from '@esparse/model';
import { buildProgramGraph, type ProgramGraph } from '../graph/program-graph.ts';
import type { ProgramPart } from '../graph/program-writer.ts';
import type { DeviceName } from '../device/device-name.ts';
import { createSession, type DeviceValue, type Session, type Value } from '../device/session.ts';

/** Parameters of a block, or of an expert of it, by slot. */
export type Parameters = ReadonlyMap<string, Value | DeviceValue>;

/** A session for some values of a part of a block, compiled at its first run. */
export interface LazySession {
  /** The slots of the parameters that it reads. */
  readonly slots: ReadonlySet<string>;
  /**
   * @param given the values that the part begins with, by name; all have the same rows
   * @param parameters at least those that it reads
   */
  run(given: ReadonlyMap<string, Value>, parameters: Parameters): Promise<ReadonlyMap<string, Value>>;
  release(): Promise<void>;
}

export interface LazySessionOptions {
  readonly part: ProgramPart;
  /** Tokens of a run; 'tokens' where each run has another number. */
  readonly rows: number | 'tokens';
  /** Names of the values that it computes. */
  readonly values: readonly string[];
  readonly device: DeviceName;
  readonly threads: number | undefined;
}

export function lazySession({ part, rows, values, device, threads }: LazySessionOptions): LazySession {
  let compiled: Promise<{ graph: ProgramGraph; session: Session }> | undefined;
  let released = false;

  async function compile(): Promise<{ graph: ProgramGraph; session: Session }> {
    const graph = buildProgramGraph(part, rows, values);
    return { graph, session: await createSession(graph.bytes, { device, threads }) };
  }

  return {
    slots: new Set(
      neededFor(part.program, values).flatMap(
        (op) => operationOf(op).parameters?.(op, part.description) ?? [],
      ),
    ),
    async run(given, parameters) {
      if (released) throw new EsparseError('internal', 'the block has been released');
      compiled ??= compile();
      const { graph, session } = await compiled;
      const inputs = new Map<string, Value | DeviceValue>();
      for (const name of Object.keys(part.given)) inputs.set(name, required(given, name));
      const tokens = required(given, Object.keys(part.given)[0]!).shape[0]!;
      for (const name of graph.parameters.keys()) inputs.set(name, required(parameters, name));
      const outputs = new Map<string, Value>();
      for (const [name, [, channels]] of graph.outputs) {
        // Ours, not ONNX Runtime's: the collector knows the size of these.
        outputs.set(name, { data: new Float32Array(tokens * channels), shape: [tokens, channels] });
      }
      await session.run(inputs, outputs);
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

function required<T>(values: ReadonlyMap<string, T>, name: string): T {
  const value = values.get(name);
  if (value === undefined) throw new EsparseError('internal', `no value '${name}' for the block's graph`);
  return value;
}
