import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { REPOSITORY } from './repository.ts';

const EMULATION = path.join(REPOSITORY, 'libs/cuda/emulation');
const sourcesOf = (...names: string[]) => names.map((name) => path.join(EMULATION, name));

/**
 * Compiles a libcuda.so.1 that runs the kernels of a decode step on the processor, in their own source, into a folder. Gives
 * the variables with which a process finds it.
 *
 * @param image 90: a GPU after Hopper; 80: one before it. Neither has Hopper's kernels of prompts @default 90
 */
export function emulatedDecoder(folder: string, image: 80 | 90 = 90): NodeJS.ProcessEnv {
  mkdirSync(folder, { recursive: true });
  const compiler = process.env.CXX ?? 'g++';
  const [object, library] = [path.join(folder, 'decode.o'), path.join(folder, 'libcuda.so.1')];
  // Shared memory is `thread_local` there, and bytes are read as words.
  const language = [
    '-std=c++20',
    '-fno-strict-aliasing',
    '-fno-extern-tls-init',
    '-include',
    path.join(EMULATION, 'cuda.h'),
  ];
  const flags = ['-O1', '-fPIC', '-Wno-unknown-pragmas', '-Wno-psabi', `-D__CUDA_ARCH__=${image * 10}`];
  execFileSync(compiler, [...flags, ...language, '-c', '-o', object, ...sourcesOf('decode.cc')]);
  const parts = [...sourcesOf('driver.cc', 'threads.cc'), object];
  execFileSync(compiler, [...flags, '-std=c++17', '-shared', '-o', library, ...parts]);
  return {
    ...process.env,
    LD_LIBRARY_PATH: folder,
    ESPARSE_TEST_EMULATED: '1',
    ...(image === 80
      ? { FAKE_CUDA: 'major=8 sms=8', ESPARSE_CUDA_IMAGE: 'sm_80' }
      : { FAKE_CUDA: 'major=10 sms=8' }),
  };
}

/** Whole prunes on an emulated GPU: for what hangs, on a busy machine too. */
const TIMEOUT_MS = 15 * 60_000;

/**
 * A GPU for the tests of a file, which may take as long as it does: a libcuda.so.1 that runs the plain kernels on the processor, and a
 * cuBLASLt of plain loops, in `gpu` of their folder. Gives the variables with which a process finds them, which are there in tests.
 */
export function emulatedGpu(at: (...names: string[]) => string): NodeJS.ProcessEnv {
  jest.setTimeout(TIMEOUT_MS);
  const variables: NodeJS.ProcessEnv = {};
  beforeAll(() => {
    const folder = at('gpu');
    compileGpu(folder);
    Object.assign(variables, process.env, { LD_LIBRARY_PATH: folder, ESPARSE_CUBLASLT: '', FAKE_CUDA: '' });
  });
  return variables;
}

function compileGpu(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const compile = (library: string, ...sources: string[]) => {
    const files = sourcesOf(...sources);
    const flags = ['-std=c++17', '-O2', '-shared', '-fPIC', '-o', path.join(folder, library)];
    execFileSync(process.env.CXX ?? 'g++', [...flags, ...files]);
  };
  compile('libcuda.so.1', 'driver.cc', 'threads.cc', 'kernels.cc');
  compile('libcublasLt.so.13', 'cublaslt.cc');
}
