import { EsparseError } from '@esparse/errors';
import { joinKey } from '@esparse/storage';
import { MAX_BLOCKS } from './limits.ts';

/** The metadata object of every Zarr node. */
export const ZARR_JSON = 'zarr.json';
/** The object that names the run being served. */
export const CURRENT = 'current';
/** The folder of all runs. */
export const RUNS = 'runs';
/** Parts of a run's folder. */
export const BLOCKS = 'blocks';
export const DENSE = 'dense';
export const HIDDEN = 'hidden';
export const HIDDEN_DENSE = 'hidden-dense';
export const DRAFTS = 'drafts';
export const FINISHED = 'finished.json';

const FINGERPRINT = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/;

/** The folder of a run. @throws EsparseError 'store' for what is no fingerprint */
export function runFolder(fingerprint: string): string {
  if (!isFingerprint(fingerprint)) {
    throw new EsparseError(
      'store',
      `${JSON.stringify(fingerprint.slice(0, 100))} is no fingerprint of a run`,
      {
        hint: 'a fingerprint is 1 to 128 letters, digits and _.-',
      },
    );
  }
  return joinKey(RUNS, fingerprint);
}

/** Whether a name can be the fingerprint of a run. */
export function isFingerprint(name: string): boolean {
  return FINGERPRINT.test(name);
}

/** The folder of a block of a run. @throws EsparseError 'usage' where k is no block number */
export function blockFolder(run: string, k: number): string {
  return joinKey(run, BLOCKS, checkBlock(k));
}

/** The folder of the draft of a block. @throws as `blockFolder` */
export function draftFolder(run: string, k: number): string {
  return joinKey(run, DRAFTS, checkBlock(k));
}

/** A block number, checked. */
export function checkBlock(k: number): number {
  if (Number.isInteger(k) && k >= 0 && k < MAX_BLOCKS) return k;
  throw new EsparseError('usage', `${k} is no block number: blocks count from 0 to ${MAX_BLOCKS - 1}`);
}

/** The block number in a folder's name, or undefined for any other name. */
export function blockOfName(name: string): number | undefined {
  if (!/^(0|[1-9]\d{0,4})$/.test(name)) return undefined;
  return Number(name);
}
