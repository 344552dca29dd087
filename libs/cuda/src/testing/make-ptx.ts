/**
 * Compiles the kernels to PTX, which is committed: `npm run cuda:ptx`, where CUDA's compiler is installed. A driver
 * compiles PTX for its GPU.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { KERNELS, MODULES, PTX, PTX_SOURCES, sourceDigest } from './ptx-sources.ts';

/** The lowest that has what the kernels use (ordered metadata of mma.sp): drivers for CUDA 12.5 and newer take it. */
const PTX_ISA = '8.5';

const folder = mkdtempSync(path.join(tmpdir(), 'esparse-ptx-'));
try {
  for (const [name, architecture] of Object.entries(MODULES)) {
    const made = path.join(folder, `${name}.ptx`);
    const flags = ['-ptx', '-O3', '-std=c++17', `-arch=compute_${architecture}`, '-Werror', 'all-warnings'];
    execFileSync('nvcc', [...flags, '-o', made, path.join(KERNELS, `${name}.cu`)], { stdio: 'inherit' });
    const ptx = readFileSync(made, 'utf8')
      .replace(/^\.version .*$/m, `.version ${PTX_ISA}`)
      .replace(/^\s*\/\/.*\n/gm, '');
    writeFileSync(made, ptx);
    // The assembler says whether it is of that version, and whether every kernel keeps its registers.
    const cubin = path.join(folder, `${name}.cubin`);
    execFileSync('ptxas', [`-arch=sm_${architecture}`, '--warn-on-spills', '-o', cubin, made], {
      stdio: 'inherit',
    });
    writeFileSync(path.join(PTX, `${name}.ptx`), ptx);
  }
  writeFileSync(PTX_SOURCES, `${JSON.stringify({ sources: sourceDigest() }, null, 2)}\n`);
} finally {
  rmSync(folder, { recursive: true });
}
