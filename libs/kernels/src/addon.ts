import { createRequire } from 'node:module';
import { messageOf } from '@esparse/errors';

/** What `native/` exports. Every kernel is asynchronous and runs on the addon's own threads. */
export interface Addon {
  setThreads(threads: number): boolean;
  threads(): number;
  widen(kind: 0 | 1, from: Uint16Array, to: Float32Array): Promise<void>;
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
    loaded = createRequire(import.meta.url)('../build/Release/esparse_kernels.node') as Addon;
  } catch (error) {
    process.emitWarning(
      `the native kernels could not be loaded (${messageOf(error).split('\n')[0]}): using the TypeScript reference, ` +
        'many times slower. Run `npm run native -w @esparse/kernels` to build them.',
      { code: 'ESPARSE_KERNELS' },
    );
  }
  return loaded;
}
