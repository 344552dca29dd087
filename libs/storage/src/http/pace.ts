const KIB = 1024;

/** How long a server may take for the headers of an answer, and then for each `LEAST_BYTES` of it, or for what is left. */
export const PATIENCE_MS = 60_000;

/**
 * Some 4 KiB a second: a slow line brings more, and a server that sends a byte now and then would hold a read for weeks.
 * The longest read of one request, 8 MiB, thus takes half an hour at most.
 */
export const LEAST_BYTES = 256 * KIB;

/** Sees to it that an answer keeps coming: see `keepPace`. */
export interface Pace {
  /** The headers have come. */
  answered(): void;
  /** So many more bytes have come. */
  received(bytes: number): void;
  /** Why the answer was given up; undefined where it was not. */
  readonly fault: string | undefined;
  stop(): void;
}

/** @param giveUp called once, when an answer comes too slowly */
export function keepPace(giveUp: () => void): Pace {
  let fault: string | undefined;
  let awaited = 'no answer';
  let bytes = 0;
  const late = () => {
    fault = `${awaited} within ${PATIENCE_MS / 1000} s`;
    giveUp();
  };
  let timer = setTimeout(late, PATIENCE_MS);
  const restart = () => {
    clearTimeout(timer);
    timer = setTimeout(late, PATIENCE_MS);
    bytes = 0;
  };
  return {
    answered() {
      awaited = `less than ${LEAST_BYTES / KIB} KiB`;
      restart();
    },
    received(more) {
      bytes += more;
      if (bytes >= LEAST_BYTES) restart();
    },
    get fault() {
      return fault;
    },
    stop() {
      clearTimeout(timer);
    },
  };
}
