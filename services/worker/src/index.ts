export { serverStream, unary } from './handlers.ts';
export { startWorker, type RunningWorker, type WorkerOptions } from './server.ts';
