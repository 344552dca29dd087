import { createRequire } from 'node:module';
import { messageOf } from '@esparse/errors';
import type { NativeInferenceKernels } from './inference/kernels.ts';
import type { PruningKernels } from './pruning/kernels.ts';
import { bindKernel, type Signature } from './runtime/kernel.ts';
import type { RuntimeKernels } from './runtime/kernels.ts';

/** What `native/` exports: kernels, which take their arguments by name, and a few plain functions. */
export interface Addon extends RuntimeKernels, PruningKernels, NativeInferenceKernels {
  /** The arguments of each kernel, as the addon states them. */
  readonly signatures: Readonly<Record<string, Signature>>;
  free(array: Float32Array | Uint32Array | Uint16Array | Uint8Array): void;
  hugePages(array: Float32Array | Uint32Array): void;
  /** How many processors there are. */
  processors(): number;
  /** Those that this build and processor have, the fastest first. */
  instructionSets(): string[];
  /** Null where the file is empty; absent where the system has no memory maps. */
  mapFile?(path: string, offset?: number, length?: number): Uint8Array | null;
}

let loaded: Addon | null | undefined;

/**
 * The native addon, or `null` where it could not be built or loaded, or where `ESPARSE_KERNELS=reference` asks
 * for the TypeScript reference kernels. Says so once, on standard error.
 */
export function addon(): Addon | null {
  if (loaded !== undefined) return loaded;
  loaded = null;
  if (process.env.ESPARSE_KERNELS === 'reference') return loaded;
  try {
    loaded = bound(
      createRequire(import.meta.url)('../build/Release/esparse_kernels.node') as NativeFunctions,
    );
  } catch (error) {
    process.emitWarning(
      `the native kernels could not be loaded (${messageOf(error).split('\n')[0]}): using the TypeScript reference, ` +
        'many times slower. `npm run native -w @esparse/kernels` builds them in a checkout, ' +
        '`npm rebuild @esparse/kernels` (or `npm rebuild -g`) where it is installed.',
      { code: 'ESPARSE_KERNELS' },
    );
  }
  return loaded;
}

interface NativeFunctions extends Readonly<Record<string, unknown>> {
  readonly signatures: Addon['signatures'];
}

function bound(native: NativeFunctions): Addon {
  const kernels = Object.entries(native.signatures).map(([name, signature]) => {
    const call = native[name] as (...args: unknown[]) => unknown;
    return [name, bindKernel(call, Object.keys(signature))] as const;
  });
  return { ...native, ...Object.fromEntries(kernels) } as unknown as Addon;
}
