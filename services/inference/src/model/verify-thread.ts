/** The script of a thread that checks every checksum of a run, and ends: serving goes on meanwhile. */
import { parentPort, workerData } from 'node:worker_threads';
import { toEsparseError } from '@esparse/errors';
import { openStore, requireSound } from '@esparse/store';
import type { VerifyAnswer, VerifyTarget } from './verify-run.ts';

const { store, run } = workerData as VerifyTarget;
let answer: VerifyAnswer = {};
try {
  await requireSound(await (await openStore(store)).openRun(run));
} catch (error) {
  const { kind, message, hint, context } = toEsparseError(error);
  answer = { error: { kind, message, hint, context } };
}
parentPort?.postMessage(answer);
