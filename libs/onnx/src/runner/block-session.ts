import { EsparseError } from '@esparse/errors';
import { BLOCK_INPUT, type ModelDescription } from '@esparse/model';
import { blockPart } from '../graph/model-parts.ts';
import { buildProgramGraph, type ProgramGraph, type WeightBinding } from '../graph/program-graph.ts';
import type { DeviceName } from '../device/device-name.ts';
import { createSession, type DeviceValue, type Session, type Value } from '../device/session.ts';

/** The parameters of a block, by slot. */
export type Parameters = ReadonlyMap<string, Value | DeviceValue>;

/** A session for some of a block's values, compiled at its first run. */
export interface LazyBlockSession {
  /** @param parameters every parameter of the block; those not needed are left out */
  run(hidden: Value, parameters: Parameters): Promise<ReadonlyMap<string, Value>>;
  release(): Promise<void>;
}

export interface BlockSessionOptions {
  readonly description: ModelDescription;
  /** Index in the program's `blocks`. */
  readonly kind: number;
  /** Tokens of a sequence. */
  readonly rows: number;
  /** Names of taps, or `BLOCK_OUTPUT`. */
  readonly values: readonly string[];
  readonly device: DeviceName;
  readonly threads: number | undefined;
  /** With 'constants' the session is that of the block whose parameters come with its first run. */
  readonly binding: WeightBinding;
}

export function lazyBlockSession({
  description,
  kind,
  rows,
  values,
  device,
  threads,
  binding,
}: BlockSessionOptions): LazyBlockSession {
  let compiled: Promise<{ graph: ProgramGraph; session: Session }> | undefined;
  let released = false;

  async function compile(parameters: Parameters): Promise<{ graph: ProgramGraph; session: Session }> {
    const graph = buildProgramGraph({ ...blockPart(description, kind), binding }, rows, values);
    const constants = binding === 'constants' ? onHost(pick(parameters, graph)) : undefined;
    return { graph, session: await createSession(graph.bytes, { device, threads, constants }) };
  }

  return {
    async run(hidden, parameters) {
      if (released) throw new EsparseError('internal', 'the block has been released');
      compiled ??= compile(parameters);
      const { graph, session } = await compiled;
      const inputs = new Map<string, Value | DeviceValue>([[BLOCK_INPUT, hidden]]);
      if (binding === 'inputs') for (const [name, value] of pick(parameters, graph)) inputs.set(name, value);
      const outputs = new Map<string, Value>();
      for (const [name, shape] of graph.outputs) {
        // Ours, not ONNX Runtime's: the collector knows the size of these.
        outputs.set(name, { data: new Float32Array(shape[0]! * shape[1]!), shape });
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

function pick(parameters: Parameters, graph: ProgramGraph): Map<string, Value | DeviceValue> {
  return new Map(
    [...graph.parameters.keys()].map((name) => {
      const value = parameters.get(name);
      if (value === undefined) throw new EsparseError('internal', `no value '${name}' for the block's graph`);
      return [name, value];
    }),
  );
}

function onHost(parameters: Parameters): Map<string, Value> {
  const values = new Map<string, Value>();
  for (const [name, value] of parameters) {
    if ('tensor' in value) throw new EsparseError('internal', `constant '${name}' is on the device already`);
    values.set(name, value);
  }
  return values;
}
