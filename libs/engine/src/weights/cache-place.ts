import { homedir } from 'node:os';
import path from 'node:path';

/** Where copies of weights lie, and how much of them: see `EngineOptions`. */
export interface CachePlaceOptions {
  readonly cacheDirectory?: string | undefined;
  readonly cacheBytes?: number | undefined;
}

const DEFAULT_CACHE_BYTES = 64 * 2 ** 30;

export function cachePlace({ cacheDirectory, cacheBytes = DEFAULT_CACHE_BYTES }: CachePlaceOptions) {
  return { directory: cacheDirectory ?? defaultCacheDirectory(), bytes: cacheBytes };
}

/** By the XDG Base Directory Specification. */
function defaultCacheDirectory(): string {
  const { XDG_CACHE_HOME: caches } = process.env;
  return path.join(
    caches !== undefined && path.isAbsolute(caches) ? caches : path.join(homedir(), '.cache'),
    'esparse',
  );
}
