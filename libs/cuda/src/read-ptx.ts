import { readFileSync } from 'node:fs';
import path from 'node:path';

/** The kernels of decoding are compiled twice: for GPUs since Hopper (sm_90), and for those before it (sm_80). */
export type KernelImage = 80 | 90;

/** The text of a module of kernels that comes with esparse. */
export function readPtx(module: string): string {
  return readFileSync(path.join(import.meta.dirname, `../ptx/${module}.ptx`), 'utf8');
}

/** The module's name among those that an image has. */
const moduleOf = (name: string, image: KernelImage): string => (image === 80 ? `${name}_80` : name);

interface Gpu {
  readonly image: KernelImage;
  readonly major: number;
  readonly minor: number;
}
const isHopper = ({ image, major, minor }: Gpu): boolean => image === 90 && major === 9 && minor === 0;

/**
 * The modules of decoding for a GPU. Hopper (sm_90a) has linears of 64 sequences in bf16 of its own.
 *
 * @param integers the modules of integers that the model needs
 */
export function decodeModules(gpu: Gpu, integers: readonly string[]): readonly string[] {
  const modules = ['decode', 'sample', ...integers].map((name) => moduleOf(name, gpu.image));
  return isHopper(gpu) ? [...modules, 'widest'] : modules;
}

/**
 * The modules of prefill for a GPU: Hopper's, by the products of a warpgroup, which it alone has (sm_90a), or those by the
 * products of a warp. None where a model has integers, which the latter do not take.
 *
 * @param integers the modules of integers that the model needs
 */
export function prefillModules(gpu: Gpu, integers: readonly string[]): readonly string[] {
  if (isHopper(gpu)) return ['prefill', ...integers.map((of) => `prefill_${of}`)];
  return integers.length === 0 ? ['prefill_80'] : [];
}
