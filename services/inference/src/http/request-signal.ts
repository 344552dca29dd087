import type { ServerResponse } from 'node:http';
import { ApiError } from '../api/api-error.ts';

/** Tells when to give up on a request: its client has gone, or its time is up. */
export interface RequestSignal {
  readonly signal: AbortSignal;
  /** The request has been answered: lets go of everything. */
  done(): void;
}

/** @param seconds from now to the last token */
export function requestSignal(response: ServerResponse, seconds: number): RequestSignal {
  const controller = new AbortController();
  const gone = () => {
    if (!response.writableFinished) {
      controller.abort(new ApiError(499, 'the client has gone', { code: 'client_gone' }));
    }
  };
  const timer = setTimeout(() => {
    controller.abort(
      new ApiError(503, `the request took longer than ${seconds} s`, { code: 'request_timeout' }),
    );
  }, seconds * 1000);
  response.once('close', gone);
  return {
    signal: controller.signal,
    done() {
      clearTimeout(timer);
      response.off('close', gone);
    },
  };
}
