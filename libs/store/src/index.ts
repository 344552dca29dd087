/**
 * The Zarr v3 weight store: runs, their blocks written in transactions, and the hidden states between blocks.
 * The format is specified in docs/store-format.md.
 */
export type { ArrayData, ArrayDtype, ArrayInput, ArrayTypes } from './array-types.ts';
export { checksumLarge, hexOf } from './checksum.ts';
export {
  collectGarbage,
  type Collected,
  type DamagedRun,
  type Garbage,
  type GarbageOptions,
} from './collect-garbage.ts';
export type { ArrayInfo, CommittedGroup } from './committed-group.ts';
export type { FinishInput } from './finish-run.ts';
export type { FinishedSummary } from './finished.ts';
export { requireSound } from './require-sound.ts';
export type { HiddenShard, HiddenStates, RunHiddenStates, StoredHiddenShard } from './hidden-states.ts';
export type { StoredArray } from './read-array.ts';
export type { RunWriter } from './run-writer.ts';
export type { Run } from './run.ts';
export type { Attributes } from './sealed-document.ts';
export { createOrOpenStore, openHidden, openStore, type RunSummary, type Store } from './store.ts';
export { commitWith, type Commit, type Transaction } from './transaction.ts';
export type { Damage, VerifyProgress } from './verify.ts';
export { verifyStore, type StoreDamage, type StoreVerification } from './verify-store.ts';
