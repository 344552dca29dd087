import { esparseJson } from './esparse.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_EVALUATION, EXAMPLE_MODEL } from './repository.ts';

/** The search of the local shuffle has laws of its own, and takes the emulated GPU minutes. */
export const QUICK_SHUFFLE: readonly string[] = ['--shuffle', 'global'];

/** The arguments of `prune` for a short run of the example model into a store of a folder. */
export function shortPrunes(at: (store: string) => string): (store: string, ...args: string[]) => string[] {
  return (store, ...args) => [
    ...['prune', '--model', EXAMPLE_MODEL, '--calibration', EXAMPLE_CALIBRATION, '--store', at(store)],
    ...['--samples', '3', '--seqlen', '48', ...args],
  ];
}

/** Of a store, on the processor. */
export async function perplexityOf(store: string, windows: number): Promise<number> {
  const text = ['--text', EXAMPLE_EVALUATION, '--seqlen', '128', '--windows', String(windows)];
  return Number((await esparseJson('eval', '--store', store, ...text)).perplexity);
}
