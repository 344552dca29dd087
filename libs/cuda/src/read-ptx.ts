import { readFileSync } from 'node:fs';
import path from 'node:path';

/** The kernels of decoding are compiled twice: for GPUs since Hopper (sm_90), and for those before it (sm_80). */
export type KernelImage = 80 | 90;

/** The text of a module of kernels that comes with esparse. */
export function readPtx(module: string): string {
  return readFileSync(path.join(import.meta.dirname, `../ptx/${module}.ptx`), 'utf8');
}

/** The module's name among those that an image has. */
export const moduleOf = (name: string, image: KernelImage): string => (image === 80 ? `${name}_80` : name);
