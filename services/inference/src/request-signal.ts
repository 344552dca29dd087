import { RequestError } from '@esparse/errors';

/** Says when to give up on a request: its client has gone, or its time is up. */
export interface RequestSignal {
  readonly signal: AbortSignal;
  /** The client has gone. */
  clientGone(): void;
  /** The request has been answered: the time no longer counts. */
  done(): void;
}

/** @param seconds from now to the last token */
export function requestSignal(seconds: number): RequestSignal {
  const controller = new AbortController();
  const timer = setTimeout(() => {
    controller.abort(
      new RequestError('timeout', `the request took longer than ${seconds} s`, { code: 'request_timeout' }),
    );
  }, seconds * 1000);
  return {
    signal: controller.signal,
    clientGone() {
      controller.abort(new RequestError('cancelled', 'the client has gone', { code: 'client_gone' }));
    },
    done() {
      clearTimeout(timer);
    },
  };
}
