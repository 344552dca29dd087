export {
  activeSpan,
  beginSpan,
  trace,
  type OpenParent,
  type OpenSpan,
  type SpanAttributes,
} from './trace.ts';
export { startTelemetry, telemetryEnabled } from './start.ts';
export { traceHeaders, withRemoteParent } from './propagation.ts';
export { peakResidentBytes } from './peak-memory.ts';
