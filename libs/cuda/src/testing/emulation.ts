import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** What a program ended with, and what it wrote. */
export interface Ended {
  readonly status: number | null;
  readonly stdout: Buffer;
}

/**
 * Compiles a program of `emulation/` with the C++ compiler (`CXX`, g++ by default), which is all it needs: the kernels'
 * index arithmetic is plain C++.
 *
 * @param cuda whether the program has kernels as they are: `emulation/cuda.h` then stands for CUDA @default false
 */
export function compileEmulation(name: string, cuda = false) {
  const folder = mkdtempSync(path.join(tmpdir(), 'esparse-cuda-'));
  const program = path.join(folder, name);
  const source = path.join(import.meta.dirname, '../../emulation', `${name}.cc`);
  const flags = ['-O1', '-Wall', '-Wextra', '-Werror'];
  if (cuda) {
    const header = path.join(import.meta.dirname, '../../emulation/cuda.h');
    flags.push('-std=c++20', '-pthread', '-Wno-unknown-pragmas', '-include', header);
  } else {
    flags.push('-std=c++17');
  }
  execFileSync(process.env.CXX ?? 'g++', [...flags, '-o', program, source], { stdio: 'inherit' });
  return {
    run(args: readonly string[], input: Uint8Array): Ended {
      const { status, stdout, error } = spawnSync(program, args, { input, maxBuffer: 1 << 28 });
      if (error) throw error;
      return { status, stdout };
    },
    remove: () => {
      rmSync(folder, { recursive: true });
    },
  };
}
