/** The first message to a process, before any call. */
export interface Begin {
  readonly setup: unknown;
  readonly memoryBytes: number;
}

/** A call as the process gets it. */
export interface CallMessage {
  readonly id: number;
  readonly call: unknown;
  readonly extraBytes: number;
}

/** What a process sends: that it listens, then its answers. */
export type ProcessMessage =
  | { readonly ready: true }
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly error: string };
