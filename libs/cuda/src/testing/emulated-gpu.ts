import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const HOME = path.join(import.meta.dirname, '../..');
const FLAGS = [
  '-std=c++17',
  '-O2',
  '-ffp-contract=off',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-Wno-unknown-pragmas',
  '-shared',
  '-fPIC',
];

/**
 * A GPU without a GPU: compiles a libcuda.so.1 that runs the plain kernels on the processor, and a cuBLASLt of plain loops.
 * A process that is started with `environment` finds both; it takes some milliseconds for each thousand elements.
 */
export function emulatedGpu() {
  const folder = mkdtempSync(path.join(tmpdir(), 'esparse-gpu-'));
  const compile = (library: string, sources: readonly string[]) => {
    const files = sources.map((name) => path.join(HOME, 'emulation', name));
    execFileSync(process.env.CXX ?? 'g++', [...FLAGS, '-o', path.join(folder, library), ...files], {
      stdio: 'inherit',
    });
  };
  compile('libcuda.so.1', ['driver.cc', 'threads.cc', 'kernels.cc']);
  compile('libcublasLt.so.13', ['cublaslt.cc']);
  const environment = (faults = '') => ({
    ...process.env,
    LD_LIBRARY_PATH: folder,
    ESPARSE_CUBLASLT: '',
    FAKE_CUDA: faults,
  });
  return {
    environment,
    /** Runs a script in TypeScript there and gives what it prints, which is JSON. */
    run(script: string, faults = ''): unknown {
      const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'jiti/register', script], {
        cwd: HOME,
        env: environment(faults),
        maxBuffer: 1 << 28,
      });
      if (status !== 0) throw new Error(`${script} ended with ${String(status)}: ${stderr.toString()}`);
      return JSON.parse(stdout.toString());
    },
    remove: () => {
      rmSync(folder, { recursive: true });
    },
  };
}
