/**
 * Every kind of error: what went wrong, as a closed set. What a kind becomes outside is said once for each way out: its
 * exit code in `exit-codes.ts`, its gRPC status in `@esparse/protocol`, its HTTP status in `@esparse/inference`.
 */
export const ERROR_KINDS = [
  /** An option or argument that cannot be used as given. */
  'usage',
  /** A field of a request that cannot be used as given. */
  'invalid',
  /** A request for something that is not there. */
  'not_found',
  /** A request without valid credentials. */
  'unauthenticated',
  /** A request that took longer than it may. */
  'timeout',
  /** A client that sends its request, or reads its answer, too slowly. */
  'slow_client',
  /** A checkpoint that is missing, damaged, hostile or contradicts its own config.json. */
  'checkpoint',
  /** A model family, dtype or shape that this version does not know. */
  'unsupported',
  /** A calibration or evaluation text, or data of a graph, that cannot be used. */
  'text',
  /** NaN, infinity or a magnitude out of range in weights or activations. */
  'numeric',
  /** A store that is damaged, of another format, or lacks what was asked for. */
  'store',
  /** A store that another process is writing. */
  'locked',
  /** No space left, or a quota reached, where something had to be written. */
  'space',
  /** A worker that speaks another protocol version, or breaks the protocol. */
  'protocol',
  /** A path that a worker does not serve. */
  'denied',
  /** A worker or server that cannot be reached, is starting or stopping, or went away. */
  'unavailable',
  /** A worker or server that has as much work as it takes. */
  'busy',
  /** The work was cancelled by its caller. */
  'cancelled',
  /** A defect of esparse itself. */
  'internal',
] as const;

/** One of `ERROR_KINDS`. */
export type ErrorKind = (typeof ERROR_KINDS)[number];

/** Tells a kind from any other text, such as one that a peer sent. */
export function isErrorKind(text: string): text is ErrorKind {
  return (ERROR_KINDS as readonly string[]).includes(text);
}
