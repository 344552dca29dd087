import { Option } from 'commander';
import { integer, notEmpty } from './values.ts';

/** Values of the options of the cache. */
export interface CacheFlags {
  readonly cacheDir?: string;
  readonly cacheSize: number;
}

const GIB = 2 ** 30;

/** Where copies of weights are kept that cannot be mapped in their store, and how much of them. */
export function cacheOptions(): readonly [directory: Option, size: Option] {
  return [
    new Option(
      '--cache-dir <dir>',
      'folder on a local disk for checked copies of the weights, for a store on a network, or a checkpoint that is not on this machine (default: none; elsewhere: ~/.cache/esparse)',
    )
      .env('ESPARSE_CACHE_DIR')
      .argParser(notEmpty),
    new Option('--cache-size <gib>', 'bound of that folder; the least recently used runs are removed first')
      .default(64)
      .env('ESPARSE_CACHE_SIZE')
      .argParser(integer(1, 65_536)),
  ];
}

/** The same, as the engine takes them. */
export function cacheOf({ cacheDir, cacheSize }: CacheFlags) {
  return { cacheDirectory: cacheDir, cacheBytes: cacheSize * GIB };
}
