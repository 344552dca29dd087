import { readFileSync } from 'node:fs';
import os from 'node:os';
import { loadRuntime } from './load-runtime.ts';

/**
 * Version of the graphs that we build. Any change that may change a bit of an activation increases it: another
 * operator, another order, another size of the attention's chunks.
 */
const GRAPH_VERSION = 1;

/**
 * Names the arithmetic of a runner: two runners of the same id give the same bits for the same input and weights,
 * whatever their threads. Part of a run's fingerprint.
 * @example 'onnxruntime-1.30.0/cpu/avx2/rows-512/graph-1'
 */
export async function numericsId(rows: number): Promise<string> {
  const { env } = await loadRuntime();
  const version = env.versions.node ?? env.versions.common;
  return `onnxruntime-${version}/cpu/${instructionSet()}/rows-${rows}/graph-${GRAPH_VERSION}`;
}

/** The widest vector instructions that ONNX Runtime's matrix kernels tell apart. */
export function instructionSet(): string {
  if (os.arch() !== 'x64') return os.arch();
  const flags = cpuFlags();
  if (flags === undefined) return 'x64';
  if (flags.has('avx512f')) return 'avx512';
  if (flags.has('avx2') && flags.has('fma')) return 'avx2';
  return flags.has('avx') ? 'avx' : 'sse2';
}

/** The processor's flags, where the system tells them (Linux). */
function cpuFlags(): Set<string> | undefined {
  try {
    const line = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'));
    return line?.[1] === undefined ? undefined : new Set(line[1].trim().split(/\s+/));
  } catch {
    return undefined;
  }
}
