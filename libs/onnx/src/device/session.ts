import { messageOf, EsparseError } from '@esparse/errors';
import type { Tensor } from 'onnxruntime-node';
import type { DeviceName } from './device-name.ts';
import { loadRuntime, type Runtime } from './load-runtime.ts';

/** A matrix or vector that goes into a run: f32, row-major. */
export interface Value {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

/** A value in the memory of a device: sessions of that device read it in place. */
export interface DeviceValue {
  readonly tensor: Tensor;
  /** Gives the memory back. */
  release(): void;
}

export interface SessionOptions {
  /** What computes. @default 'cpu' */
  readonly device?: DeviceName | undefined;
  /** Threads of one run on the CPU, the caller's among them. @default the number of cores */
  readonly threads?: number | undefined;
  /** Leaves the outputs of `runToDevice` on the device. */
  readonly toDevice?: boolean;
}

/** A compiled ONNX graph. On the CPU a run reads its inputs and writes its outputs where they lie. */
export interface Session {
  /**
   * Fills `outputs` from `inputs`, both by name. ONNX Runtime's Node binding computes on the calling thread: the
   * event loop waits. Serve a network from another thread than this.
   * @throws EsparseError 'unavailable' where a device fails: it was removed, or its memory is full
   */
  run(inputs: ReadonlyMap<string, Value | DeviceValue>, outputs: ReadonlyMap<string, Value>): Promise<void>;
  /** The outputs, by name, in the memory of the device. */
  runToDevice(inputs: ReadonlyMap<string, Value>): Promise<Readonly<Record<string, Tensor>>>;
  release(): Promise<void>;
}

/**
 * Compiles a graph.
 * @throws EsparseError 'internal' where ONNX Runtime refuses it, 'unavailable' where a device does
 */
export async function createSession(
  bytes: Uint8Array,
  { device = 'cpu', threads, toDevice = false }: SessionOptions = {},
): Promise<Session> {
  const runtime = await loadRuntime();
  const session = await runtime.InferenceSession.create(bytes, {
    executionProviders: [provider(device)],
    graphOptimizationLevel: 'all',
    executionMode: 'sequential',
    interOpNumThreads: 1,
    ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
    ...(toDevice ? { preferredOutputLocation: 'gpu-buffer' as const } : {}),
    // A thread that spins for its next task holds a core that the kernels, the reads or a neighbour could use: on two
    // busy cores a block took 1.5 to 2 times as long with it.
    extra: { session: { intra_op: { allow_spinning: '0' } } },
    // What failed is in the error that comes of it.
    logSeverityLevel: 4,
  }).catch((error: unknown) => {
    throw failed(device, 'ONNX Runtime refuses the graph', error);
  });
  return {
    async run(inputs, outputs) {
      await session.run(tensors(runtime, inputs), tensors(runtime, outputs)).catch((error: unknown) => {
        throw failed(device, 'ONNX Runtime failed in a run', error);
      });
    },
    async runToDevice(inputs) {
      return session.run(tensors(runtime, inputs)).catch((error: unknown) => {
        throw failed(device, 'ONNX Runtime failed to copy a value', error);
      });
    },
    release: () => session.release(),
  };
}

/**
 * WebGPU's memory of released values is kept for values of the very same size: the next block's are, and the default's
 * rounding up to a few fixed sizes would waste a tenth.
 */
function provider(device: DeviceName) {
  return device === 'webgpu' ? { name: device, storageBufferCacheMode: 'simple' as const } : device;
}

/** On the CPU a failure is a defect of esparse; a device may have been removed, or its memory may be full. */
function failed(device: DeviceName, what: string, error: unknown): EsparseError {
  if (device === 'cpu') return new EsparseError('internal', `${what}: ${messageOf(error)}`, { cause: error });
  return new EsparseError('unavailable', `${what} on ${device}: ${messageOf(error)}`, {
    hint: 'the device must hold one block in f32 and the activations of one sequence; a shorter --seqlen needs less',
    cause: error,
  });
}

function tensors(runtime: Runtime, values: ReadonlyMap<string, Value | DeviceValue>): Record<string, Tensor> {
  const named: Record<string, Tensor> = {};
  for (const [name, value] of values) {
    named[name] = 'tensor' in value ? value.tensor : new runtime.Tensor('float32', value.data, value.shape);
  }
  return named;
}
