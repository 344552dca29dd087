import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { MODULES, PTX } from './testing/ptx-sources.ts';

const hasNvcc = spawnSync('nvcc', ['--version']).status === 0;

/** Where CUDA's compiler is installed; it needs no GPU. */
const withNvcc = hasNvcc ? test : test.skip;

withNvcc(
  'no kernel keeps registers in memory',
  () => {
    const source = path.join(import.meta.dirname, '../harness/registers.cu');
    const target = ['-gencode=arch=compute_90a,code=sm_90a', '-cubin', '-o', '/dev/null'];
    const strict = ['-Xptxas', '-warn-spills', '-Werror', 'all-warnings'];
    const { status, stderr } = spawnSync('nvcc', ['-O3', '-std=c++17', ...target, ...strict, source]);
    expect(stderr.toString()).toBe('');
    expect(status).toBe(0);
  },
  300_000,
);

withNvcc.each(Object.entries(MODULES).filter(([, architecture]) => architecture === '80'))(
  'nor does one of %s before Hopper',
  (name, architecture) => {
    const flags = [`-arch=sm_${architecture}`, '--warn-on-spills', '-o', '/dev/null'];
    const { status, stdout, stderr } = spawnSync('ptxas', [...flags, path.join(PTX, `${name}.ptx`)]);
    expect(stdout.toString() + stderr.toString()).toBe('');
    expect(status).toBe(0);
  },
  300_000,
);
