import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const HOME = path.join(import.meta.dirname, '../..');

/** The kernels' sources. */
export const KERNELS = path.join(HOME, 'kernels');
/** What they are compiled to. */
export const PTX = path.join(HOME, 'ptx');
/** The modules, and the lowest architectures that take them: 90a is Hopper alone. What needs nothing of 90 is for 80. */
export const MODULES = {
  decode: '90',
  sample: '90',
  decode_80: '80',
  sample_80: '80',
  int8: '90',
  int4: '90',
  widest: '90a',
  int8_80: '80',
  int4_80: '80',
  prefill: '90a',
  prefill_int8: '90a',
  prefill_int4: '90a',
  prefill_80: '80',
  block: '80',
  statistics: '80',
  solve: '80',
  tune: '80',
} as const;
/** The digest of what was compiled. */
export const PTX_SOURCES = path.join(PTX, 'sources.json');

/** All files below a folder of the kernels, by their paths there. */
function sourcesIn(folder: string): string[] {
  return readdirSync(path.join(KERNELS, folder), { withFileTypes: true })
    .flatMap((entry) => {
      const name = path.posix.join(folder, entry.name);
      return entry.isDirectory() ? sourcesIn(name) : [name];
    })
    .sort();
}

/** A digest of all sources of the kernels, their names among them. */
export function sourceDigest(): string {
  const hash = createHash('sha256');
  for (const name of sourcesIn('')) {
    hash
      .update(`${name}\0`)
      .update(readFileSync(path.join(KERNELS, name)))
      .update('\0');
  }
  return hash.digest('hex');
}
