import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { REPOSITORY } from './repository.ts';

/**
 * Compiles a libcuda.so.1 that runs the plain kernels on the processor, and a cuBLASLt of plain loops, into a folder. Gives
 * the variables with which a process finds them.
 */
export function emulatedGpu(folder: string): NodeJS.ProcessEnv {
  mkdirSync(folder, { recursive: true });
  const compile = (library: string, ...sources: string[]) => {
    const files = sources.map((name) => path.join(REPOSITORY, 'libs/cuda/emulation', name));
    const flags = ['-std=c++17', '-O2', '-shared', '-fPIC', '-o', path.join(folder, library)];
    execFileSync(process.env.CXX ?? 'g++', [...flags, ...files]);
  };
  compile('libcuda.so.1', 'driver.cc', 'threads.cc', 'kernels.cc');
  compile('libcublasLt.so.13', 'cublaslt.cc');
  return { ...process.env, LD_LIBRARY_PATH: folder, ESPARSE_CUBLASLT: '', FAKE_CUDA: '' };
}
