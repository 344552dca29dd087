/** The script of a thread that checks every checksum of a run, and ends: serving goes on meanwhile. */
import { parentPort, workerData } from 'node:worker_threads';
import { toEsparseError } from '@esparse/errors';
import { openStore } from '@esparse/store';
import type { VerifyAnswer, VerifyTarget } from './verify-run.ts';

const { store, run } = workerData as VerifyTarget;
let answer: VerifyAnswer;
try {
  const opened = await (await openStore(store)).openRun(run);
  const damages = await opened.verify();
  answer = { damages: damages.filter(({ severity }) => severity === 'error').map(({ message }) => message) };
} catch (error) {
  answer = { damages: [toEsparseError(error).message] };
}
parentPort?.postMessage(answer);
