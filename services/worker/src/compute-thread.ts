/** The script of the thread that computes: see `compute.ts`. */
import { parentPort, workerData } from 'node:worker_threads';
import { EsparseError } from '@esparse/errors';
import { serveCalls } from './calls.ts';
import { createCompute, type ComputeOptions } from './compute.ts';

if (parentPort === null) throw new EsparseError('internal', 'compute-thread is started as a thread');
serveCalls(parentPort, createCompute(workerData as ComputeOptions));
