import { CPU, type Device } from './device.ts';
import { loadRuntime } from './load-runtime.ts';

/**
 * Version of the graphs that we build. Any change that may change a bit of an activation increases it: another
 * operator, another order, another size of the attention's chunks.
 */
const GRAPH_VERSION = 1;

/**
 * Names the arithmetic of a runner: two runners of the same id give the same bits for the same input and weights. Part of a
 * run's fingerprint.
 * @param threads where bits depend on them
 * @example 'onnxruntime-1.30.0/cpu/avx2/rows-512/graph-1'
 * @example 'onnxruntime-1.30.0/cpu/avx2/rows-512/threads-64/graph-1'
 * @example 'onnxruntime-1.30.0/webgpu/nvidia-580.159.04/probe-5b1f0c52/rows-512/graph-1'
 */
export async function numericsId(rows: number, device: Device = CPU, threads?: number): Promise<string> {
  const { env } = await loadRuntime();
  const version = env.versions.node ?? env.versions.common;
  const cut = threads === undefined ? '' : `/threads-${threads}`;
  return `onnxruntime-${version}/${device.arithmetic}/rows-${rows}${cut}/graph-${GRAPH_VERSION}`;
}
