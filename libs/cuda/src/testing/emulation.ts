import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { KernelImage } from '../read-ptx.ts';

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
 * @param image those for which GPUs, of kernels that are compiled twice @default 90
 */
export function compileEmulation(name: string, cuda = false, image: KernelImage = 90) {
  const folder = mkdtempSync(path.join(tmpdir(), 'esparse-cuda-'));
  const program = path.join(folder, name);
  const file = (of: string) => path.join(import.meta.dirname, '../../emulation', of);
  const sources = [file(`${name}.cc`)];
  const flags = ['-O1', '-Wall', '-Wextra', '-Werror'];
  if (cuda) {
    const foreign = ['-Wno-unknown-pragmas', '-Wno-sign-compare', '-Wno-psabi'];
    flags.push('-std=c++20', ...foreign, '-fno-extern-tls-init', '-include', file('cuda.h'));
    flags.push(`-D__CUDA_ARCH__=${image * 10}`);
    sources.push(file('threads.cc'));
  } else {
    flags.push('-std=c++17');
  }
  execFileSync(process.env.CXX ?? 'g++', [...flags, '-o', program, ...sources], { stdio: 'inherit' });
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
