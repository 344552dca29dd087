export { isWorkerDevice, WORKER_DEVICES, type WorkerDevice } from './device.ts';
export { serverStream, unary } from './handlers.ts';
export { DEFAULT_DRAIN_SECONDS, startWorker, type RunningWorker, type WorkerOptions } from './server.ts';
