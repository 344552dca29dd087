import { messageOf, EsparseError } from '@esparse/errors';
import type { Tensor } from 'onnxruntime-node';
import { loadRuntime, type Runtime } from './load-runtime.ts';

/** A matrix or vector that goes into a run: f32, row-major. */
export interface Value {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

export interface SessionOptions {
  /** Threads of one run, the caller's among them. @default the number of cores */
  readonly threads?: number | undefined;
}

/** A compiled ONNX graph. A run reads its inputs and writes its outputs where they lie: nothing is copied. */
export interface Session {
  /**
   * Fills `outputs` from `inputs`, both by name. ONNX Runtime's Node binding computes on the calling thread: the
   * event loop waits. Serve a network from another thread than this.
   */
  run(inputs: ReadonlyMap<string, Value>, outputs: ReadonlyMap<string, Value>): Promise<void>;
  release(): Promise<void>;
}

/**
 * Compiles a graph for the CPU.
 * @throws EsparseError 'internal' where ONNX Runtime refuses it
 */
export async function createSession(bytes: Uint8Array, { threads }: SessionOptions = {}): Promise<Session> {
  const runtime = await loadRuntime();
  const session = await runtime.InferenceSession.create(bytes, {
    executionProviders: ['cpu'],
    graphOptimizationLevel: 'all',
    executionMode: 'sequential',
    interOpNumThreads: 1,
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
    // A thread that spins for its next task holds a core that the kernels, the reads or a neighbour could use: on two
    // busy cores a block took 1.5 to 2 times as long with it.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
    // Errors only: a log line of ours names what failed.
    logSeverityLevel: 3,
  }).catch((error: unknown) => {
    throw new EsparseError('internal', `ONNX Runtime refuses the graph: ${messageOf(error)}`, {
      cause: error,
    });
  });
  return {
    async run(inputs, outputs) {
      await session.run(tensors(runtime, inputs), tensors(runtime, outputs));
    },
    release: () => session.release(),
  };
}

function tensors(runtime: Runtime, values: ReadonlyMap<string, Value>): Record<string, Tensor> {
  const named: Record<string, Tensor> = {};
  for (const [name, { data, shape }] of values) named[name] = new runtime.Tensor('float32', data, shape);
  return named;
}
