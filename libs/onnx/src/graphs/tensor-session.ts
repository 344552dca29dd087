import type { ArrayValue } from '@esparse/checkpoint';
import { EsparseError, messageOf } from '@esparse/errors';
import type * as onnxruntime from 'onnxruntime-node';
import type { Tensor } from 'onnxruntime-node';
import { loadRuntime } from '../device/load-runtime.ts';

/** A value of a graph, of any type that ONNX Runtime gives from Node: booleans as bytes, f16 as its bits. */
export type TensorValue = ArrayValue;

/** What ONNX Runtime's binding calls the types, and the arrays that it takes for them. */
const TYPES = [
  [1, 'float32', Float32Array],
  [2, 'uint8', Uint8Array],
  [3, 'int8', Int8Array],
  [4, 'uint16', Uint16Array],
  [5, 'int16', Int16Array],
  [6, 'int32', Int32Array],
  [7, 'int64', BigInt64Array],
  [9, 'bool', Uint8Array],
  [10, 'float16', Uint16Array],
  [11, 'float64', Float64Array],
  [12, 'uint32', Uint32Array],
  [13, 'uint64', BigUint64Array],
] as const;

/** Bytes of an element of a type; undefined for one that does not cross from Node, such as text. */
export function elementBytes(type: number): number | undefined {
  return TYPES.find(([number]) => number === type)?.[2].BYTES_PER_ELEMENT;
}

/** The name that ONNX Runtime has for a type. */
export function typeName(type: number): string {
  return TYPES.find(([number]) => number === type)?.[1] ?? `type ${type}`;
}

/** A compiled graph whose values may be of any type. */
export interface TensorSession {
  /** @throws EsparseError 'unsupported' where the graph does not run on these values: their shapes do not fit, say */
  run(
    inputs: ReadonlyMap<string, TensorValue>,
    outputs: readonly string[],
  ): Promise<Map<string, TensorValue>>;
  release(): Promise<void>;
}

/**
 * Compiles a graph that somebody else has made, for the processor.
 * @param graph the file's bytes; or its path, beside which other files with weights may be
 * @param what names it in messages
 * @throws EsparseError 'unsupported' where ONNX Runtime refuses it: it has an operator that is not there, say
 */
export async function createTensorSession(
  graph: Uint8Array | string,
  { what, threads }: { readonly what: string; readonly threads?: number | undefined },
): Promise<TensorSession> {
  const runtime = await loadRuntime();
  const options: onnxruntime.InferenceSession.SessionOptions = {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'all',
    executionMode: 'sequential',
    interOpNumThreads: 1,
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
    extra: { session: { intra_op: { allow_spinning: '0' } } },
    // What failed is in the error that comes of it.
    logSeverityLevel: 4,
  };
  const created =
    typeof graph === 'string'
      ? runtime.InferenceSession.create(graph, options)
      : runtime.InferenceSession.create(graph, options);
  const session = await created.catch((error: unknown) => {
    throw failed(`ONNX Runtime refuses ${what}`, error, UNKNOWN);
  });
  return {
    async run(inputs, outputs) {
      const feeds: Record<string, Tensor> = {};
      for (const [name, { type, shape, bytes: elements }] of inputs) {
        const found = TYPES.find(([number]) => number === type);
        if (found === undefined) throw failed(`${what}: value '${name}' is of ${typeName(type)}`);
        const [, typed, Elements] = found;
        // At an address that the array's type accepts.
        const aligned = elements.byteOffset % 8 === 0 ? elements : new Uint8Array(elements);
        const data = new Elements(
          aligned.buffer as ArrayBuffer,
          aligned.byteOffset,
          aligned.byteLength / Elements.BYTES_PER_ELEMENT,
        );
        feeds[name] = new runtime.Tensor(typed, data as never, shape);
      }
      const results = await session.run(feeds, [...outputs]).catch((error: unknown) => {
        throw failed(`ONNX Runtime failed to run ${what}`, error);
      });
      return new Map(outputs.map((name) => [name, valueOf(name, results[name]!)]));
    },
    release: () => session.release(),
  };
}

function valueOf(name: string, { type: typed, dims, data }: Tensor): TensorValue {
  const found = TYPES.find(([, candidate]) => candidate === typed);
  if (found === undefined || !ArrayBuffer.isView(data)) throw failed(`value '${name}' is of ${typed}`);
  const { buffer, byteOffset, byteLength } = data;
  return { type: found[0], shape: dims, bytes: new Uint8Array(buffer, byteOffset, byteLength) };
}

/** What helps where a graph is not even taken. */
const UNKNOWN =
  'every operator that is run must be one of ONNX Runtime; are names, shapes and types of the graph sound?';

function failed(
  message: string,
  cause?: unknown,
  hint = 'do names, shapes and types of the data fit the graph?',
): EsparseError {
  return new EsparseError('unsupported', cause === undefined ? message : `${message}: ${messageOf(cause)}`, {
    hint,
    cause,
  });
}
