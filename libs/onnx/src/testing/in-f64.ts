import { modelProto } from '@esparse/checkpoint';
import { loadRuntime } from '../device/load-runtime.ts';

/** A value of f64, row-major. */
export interface Value64 {
  readonly data: Float64Array;
  readonly shape: readonly number[];
}

/** TensorProto.DataType */
const FLOAT = 1;
const DOUBLE = 11;

interface Tensor {
  data_type: number;
  raw_data: Uint8Array;
}
interface Typed {
  type: { tensor_type: { elem_type: number } };
}
interface Model {
  graph: { initializer: Tensor[]; input: Typed[]; output: Typed[] };
}

/** The same graph in f64: so that what it computes can be compared with differences of small steps. */
export function inF64(bytes: Uint8Array): Uint8Array {
  const type = modelProto();
  const model = type.toObject(type.decode(bytes), { arrays: true }) as Model;
  for (const tensor of model.graph.initializer) {
    if (tensor.data_type !== FLOAT) continue;
    const wide = Float64Array.from(new Float32Array(Uint8Array.from(tensor.raw_data).buffer));
    tensor.data_type = DOUBLE;
    tensor.raw_data = new Uint8Array(wide.buffer);
  }
  for (const { type: typed } of [...model.graph.input, ...model.graph.output]) {
    if (typed.tensor_type.elem_type === FLOAT) typed.tensor_type.elem_type = DOUBLE;
  }
  return type.encode(type.fromObject(model)).finish();
}

/** Compiles a graph that `inF64` gave. */
export async function openF64(bytes: Uint8Array) {
  const runtime = await loadRuntime();
  const session = await runtime.InferenceSession.create(bytes, {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
    // What several nodes are fused to has kernels of f32 only.
    graphOptimizationLevel: 'disabled',
    logSeverityLevel: 4,
  });
  return {
    async run(inputs: ReadonlyMap<string, Value64>): Promise<ReadonlyMap<string, Float64Array>> {
      const feeds = [...inputs].map(
        ([name, { data, shape }]) => [name, new runtime.Tensor('float64', data, shape)] as const,
      );
      const outputs = await session.run(Object.fromEntries(feeds));
      return new Map(Object.entries(outputs).map(([name, { data }]) => [name, data as Float64Array]));
    },
    release: () => session.release(),
  };
}
