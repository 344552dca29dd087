import type { Writable } from 'node:stream';
import { clearLine, cursorTo } from 'node:readline';

/** Shows how far a piece of work is, beside its result: on standard error. */
export interface Progress {
  /** One line, in the place of the one before. */
  show(line: string): void;
  /** The work has ended: nothing is left of a line that is redrawn. */
  end(): void;
}

/** Where there is no terminal a line stays, so there are few: one in so many milliseconds, and none of what is short. */
const LINE_MS = 10_000;

/** A line that is redrawn on a terminal, now and then a line elsewhere. */
export function createProgress(
  stream: Writable & { readonly isTTY?: boolean; readonly columns?: number },
): Progress {
  if (stream.isTTY !== true) return lines(stream);
  return {
    show(line) {
      cursorTo(stream, 0);
      // A line that is wrapped could not be redrawn.
      stream.write(line.slice(0, (stream.columns ?? 80) - 1));
      clearLine(stream, 1);
    },
    end() {
      cursorTo(stream, 0);
      clearLine(stream, 0);
    },
  };
}

function lines(stream: Writable): Progress {
  let next = performance.now() + LINE_MS;
  return {
    show(line) {
      if (performance.now() < next) return;
      next = performance.now() + LINE_MS;
      stream.write(`${line}\n`);
    },
    end: () => undefined,
  };
}
