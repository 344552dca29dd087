import { EXAMPLE_MODEL } from './repository.ts';
import { startWorkerProcess, type WorkerProcess } from './workers.ts';

/**
 * One worker for all runs of a test file, on the example model and a folder: starting one takes longer than a small run.
 * Commands find it in their environment, as `--worker` would name it.
 */
export function shareWorker(folder: () => string): void {
  let worker: WorkerProcess;
  beforeAll(async () => {
    worker = await startWorkerProcess('--root', EXAMPLE_MODEL, '--root', folder());
    process.env.ESPARSE_WORKER = worker.address;
  });
  afterAll(async () => {
    delete process.env.ESPARSE_WORKER;
    await worker.end('SIGTERM');
  });
}
