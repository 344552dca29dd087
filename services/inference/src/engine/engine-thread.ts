/** The script of the engine's thread: see `engine-host.ts`. */
import { parentPort, workerData } from 'node:worker_threads';
import { EsparseError } from '@esparse/errors';
import { loadInThread } from '@esparse/model';
import { hostEngine } from './engine-host.ts';
import type { EngineSettings } from './messages.ts';

if (parentPort === null) throw new EsparseError('internal', 'engine-thread is started as a thread');
const settings = workerData as EngineSettings;
await loadInThread(settings.family, settings.encoding);
hostEngine(parentPort, settings);
