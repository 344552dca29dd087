import { spawnSync } from 'node:child_process';
import path from 'node:path';

const hasNvcc = spawnSync('nvcc', ['--version']).status === 0;

// Where CUDA's compiler is installed; it needs no GPU.
(hasNvcc ? test : test.skip)(
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
