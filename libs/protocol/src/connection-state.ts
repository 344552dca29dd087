import type { ChannelListener } from './channel.ts';

/** What is known of a channel: who is connected, and how much has passed. */
export interface ConnectionState extends ChannelListener {
  /** Workers that are connected now. */
  readonly ready: number;
  /** Why none is, where that is known. */
  readonly trouble: string | undefined;
  /** Bytes of all messages, sent and received. */
  readonly wireBytes: number;
  /** Called whenever `ready` may have changed. */
  onChange: () => void;
}

export function createConnectionState(): ConnectionState {
  let ready = 0;
  let trouble: string | undefined;
  let wireBytes = 0;
  const state: ConnectionState = {
    get ready() {
      return ready;
    },
    get trouble() {
      return trouble;
    },
    get wireBytes() {
      return wireBytes;
    },
    onChange: () => undefined,
    onReady(workers, error) {
      ready = workers;
      trouble = workers > 0 ? undefined : saysWhy(error) ? error : trouble;
      state.onChange();
    },
    onMessage(bytes) {
      wireBytes += bytes;
    },
  };
  return state;
}

/** Between two tries gRPC has forgotten why the last one failed, and says so: what it said before is better. */
function saysWhy(error: string | null): error is string {
  return error !== null && !/Last error: null\b/.test(error);
}
