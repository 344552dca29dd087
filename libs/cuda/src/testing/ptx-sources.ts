import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const HOME = path.join(import.meta.dirname, '../..');

/** The kernels' sources. */
export const KERNELS = path.join(HOME, 'kernels');
/** What they were compiled to, and the digest of what was compiled. */
export const PTX = path.join(HOME, 'ptx/decode.ptx');
export const PTX_SOURCES = path.join(HOME, 'ptx/decode.json');

/** A digest of all sources of the kernels, their names among them. */
export function sourceDigest(): string {
  const hash = createHash('sha256');
  for (const name of readdirSync(KERNELS).sort()) {
    hash
      .update(`${name}\0`)
      .update(readFileSync(path.join(KERNELS, name)))
      .update('\0');
  }
  return hash.digest('hex');
}
