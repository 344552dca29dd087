import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { KernelImage } from '../read-ptx.ts';

const HOME = path.join(import.meta.dirname, '../..');

/** What a driver still holds for a process, counted; and the kernels that it looked up. */
export interface Held {
  readonly allocations: number;
  readonly bytes: number;
  readonly pinned: number;
  readonly streams: number;
  readonly events: number;
  readonly graphs: number;
  readonly execs: number;
  readonly modules: number;
  readonly contexts: number;
  /** Graphs, in all. */
  readonly launched: number;
  readonly kernels: readonly string[];
}

/** Compiles `emulation/driver.cc`, a libcuda.so.1 without a GPU; programs find it first. */
export function fakeDriver() {
  const folder = mkdtempSync(path.join(tmpdir(), 'esparse-driver-'));
  const log = path.join(folder, 'held.json');
  const flags = ['-std=c++17', '-O1', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC'];
  const source = path.join(HOME, 'emulation/driver.cc');
  execFileSync(process.env.CXX ?? 'g++', [...flags, '-o', path.join(folder, 'libcuda.so.1'), source]);
  return {
    /** Variables of a program that is to meet it; `faults` as `emulation/driver.cc` says. */
    environment: (faults: string) => ({
      ...process.env,
      LD_LIBRARY_PATH: folder,
      FAKE_CUDA: faults,
      FAKE_CUDA_LOG: log,
    }),
    /** Variables of a program that meets no driver, wherever it runs. */
    without: () => {
      const empty = path.join(folder, 'empty');
      mkdirSync(empty, { recursive: true });
      writeFileSync(path.join(empty, 'libcuda.so.1'), '');
      return { ...process.env, LD_LIBRARY_PATH: empty };
    },
    /** What the program that ended last had not given back. */
    held: () => JSON.parse(readFileSync(log, 'utf8')) as Held,
    remove: () => {
      rmSync(folder, { recursive: true });
    },
  };
}

/**
 * Runs JavaScript in a process of its own, with the addon's class `CudaDecoder` and the kernels as `ptx`; gives what it prints.
 *
 * @param image of the kernels @default 90
 */
export function runWithAddon(
  script: string,
  env: NodeJS.ProcessEnv,
  image: KernelImage = 90,
): { status: number | null; out: string } {
  const addon = JSON.stringify(path.join(HOME, 'build/Release/esparse_cuda.node'));
  const modules =
    image === 80
      ? [['decode_80', 'sample_80', 'int8_80', 'int4_80'], ['prefill_80']]
      : [
          ['decode', 'sample', 'int8', 'int4', 'widest'],
          ['prefill', 'prefill_int8', 'prefill_int4'],
        ];
  const ptx = JSON.stringify(modules.map((names) => names.map((name) => path.join(HOME, `ptx/${name}.ptx`))));
  const read = "file => require('node:fs').readFileSync(file, 'utf8')";
  const before = `const { CudaDecoder } = require(${addon}); const ptx = ${ptx}.map((files) => files.map(${read}));`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', `${before}\n${script}`], { env });
  return { status, out: stdout.toString() + stderr.toString() };
}
