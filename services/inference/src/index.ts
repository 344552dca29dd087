export { startServer, type RunningServer } from './server.ts';
export type { ServeOptions } from './serve-options.ts';
export {
  DEFAULT_DRAIN_SECONDS,
  DEFAULT_MAX_CONNECTIONS,
  DEFAULT_MAX_QUEUE,
  DEFAULT_MAX_SEQUENCES,
  DEFAULT_REQUEST_SECONDS,
  MAX_BODY_BYTES,
} from './limits.ts';
