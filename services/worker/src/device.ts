import { CudaArithmetic, createCudaBlockRunner } from '@esparse/cuda';
import type { BlockRunner, ModelDescription } from '@esparse/model';
import type { FoldingDevice } from './device-fold.ts';
import { createBlockRunner, DEVICES, openDevice, tryDevice, type DeviceName } from '@esparse/onnx';
import { cudaTuning, onnxTuning, type OpenTuningBackend } from '@esparse/tuning';
import { createKeptStates, type KeptStates } from './kept-states.ts';

/** What a worker computes on: what ONNX Runtime has, or an NVIDIA GPU by its number, counted from 0. */
export type WorkerDevice = DeviceName | CudaName;
type CudaName = 'cuda' | `cuda:${number}`;

/** The devices that there are, as texts show them. */
export const WORKER_DEVICES = [...DEVICES, 'cuda[:n]'].join('|');

/** Whether a text names a device of workers. */
export function isWorkerDevice(text: string): text is WorkerDevice {
  return (DEVICES as readonly string[]).includes(text) || /^cuda(:\d{1,4})?$/.test(text);
}

/** Whether it runs all sequences of a shard together; others run one sequence at a time. */
export function runsShards(device: WorkerDevice): device is CudaName {
  return device.startsWith('cuda');
}

/** Share of a GPU's memory that hidden states may have: the solver of the pruner is to find room, too. */
const STATES_SHARE = 1 / 4;

/** A device that is open for one model. */
export interface OpenDevice {
  /** Whether its runner takes all sequences of a shard at once. */
  readonly runsShards: boolean;
  /** Where statistics are folded, and hidden states are kept, where that is on the device. */
  readonly statistics?: FoldingDevice;
  readonly states?: KeptStates;
  runner(description: ModelDescription, options: { seqlen: number; threads: number }): Promise<BlockRunner>;
  /** What tunes a block there. */
  tuning(options: { threads: number }): OpenTuningBackend;
  release(): Promise<void>;
}

/** @throws EsparseError 'usage' or 'unsupported' for a device that is not there; the hint says what it needs */
export async function openWorkerDevice(name: WorkerDevice): Promise<OpenDevice> {
  if (runsShards(name)) {
    const gpu = CudaArithmetic.open(ordinalOf(name));
    const states = createKeptStates(gpu, STATES_SHARE * gpu.facts.totalBytes);
    gpu.whenShort({ bytes: states.bytes, giveUp: states.clear });
    return {
      runsShards: true,
      statistics: gpu,
      states,
      runner: (description, { seqlen }) =>
        Promise.resolve(createCudaBlockRunner(description, { gpu, seqlen })),
      tuning: () => cudaTuning(gpu),
      release: () => {
        gpu.close();
        return Promise.resolve();
      },
    };
  }
  const device = await openDevice(name);
  return {
    runsShards: false,
    runner: (description, options) => createBlockRunner(description, { ...options, device }),
    tuning: ({ threads }) => onnxTuning({ device, threads }),
    release: () => device.release(),
  };
}

/** What is known of a device before a model is opened. */
export interface DeviceFacts {
  /** Names what computes there. */
  readonly arithmetic: string;
  /** Memory of a GPU by CUDA. @default none */
  readonly gpuBytes?: number;
}

/**
 * Opens a device for a moment: that it is missing is an error now and not at the first block.
 *
 * @throws as `openWorkerDevice`
 */
export async function tryWorkerDevice(name: WorkerDevice): Promise<DeviceFacts> {
  if (!runsShards(name)) return { arithmetic: await tryDevice(name) };
  const gpu = CudaArithmetic.open(ordinalOf(name));
  try {
    const { name: model, totalBytes } = gpu.facts;
    return { arithmetic: `${name}, ${model}`, gpuBytes: totalBytes };
  } finally {
    gpu.close();
  }
}

function ordinalOf(name: CudaName): number {
  const [, ordinal = '0'] = name.split(':');
  return Number(ordinal);
}
