import { readFileSync } from 'node:fs';
import os from 'node:os';

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
