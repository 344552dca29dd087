import { constants, type ServerHttp2Stream } from 'node:http2';

/**
 * Ends the HTTP/2 stream of a call whose client does not read. What was handed to it would stay in memory, and the status
 * would wait behind, for as long as the client stays connected. grpc-js has no public way to do so: where it does not keep
 * the stream where this looks for it, the memory waits for the connection to end.
 */
export function resetStream(call: object): void {
  const { stream } =
    (call as { readonly call?: { readonly stream?: Partial<ServerHttp2Stream> } }).call ?? {};
  stream?.close?.(constants.NGHTTP2_CANCEL);
}
