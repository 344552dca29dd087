import { clearScreenDown, cursorTo, moveCursor } from 'node:readline';
import cliTruncate from 'cli-truncate';
import { createLogUpdate } from 'log-update';
import type { Terminal } from './terminal.ts';

/** Lines at the bottom of a terminal that are redrawn in their place, below lines that stay. */
export interface LiveArea {
  /** Writes a line that stays, above the area. */
  readonly print: (line: string) => void;
  /** Removes the area; what was printed stays. */
  stop(): void;
}

/** As often as a clock of seconds needs it; what changes in between is seen a moment later. */
const REDRAW_MS = 250;

/** Longer lines are hard to read, and would be wrapped anew where the terminal becomes narrower. */
const MAX_COLUMNS = 100;

/** The width of a terminal that does not say it. */
const USUAL_COLUMNS = 80;

/**
 * Draws what `lines` gives for a width, again and again until it is stopped. Lines are cut at the width, so that none is
 * ever wrapped. The cursor stays visible: a process that is killed leaves the terminal as it was.
 */
export function createLiveArea(stream: Terminal, lines: (columns: number) => readonly string[]): LiveArea {
  const log = createLogUpdate(stream, { showCursor: true });
  let drawn: string[] = [];
  const draw = () => {
    const columns = Math.min(stream.columns ?? USUAL_COLUMNS, MAX_COLUMNS);
    drawn = lines(columns).map((line) => cliTruncate(line, columns));
    log(drawn.join('\n'));
  };
  // A terminal that becomes narrower has wrapped what is drawn: it takes more rows than it had.
  const onResize = () => {
    const columns = stream.columns ?? USUAL_COLUMNS;
    const rows = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / columns)), 0);
    moveCursor(stream, 0, -rows);
    cursorTo(stream, 0);
    clearScreenDown(stream);
    log.done();
    draw();
  };
  const timer = setInterval(draw, REDRAW_MS).unref();
  stream.on('resize', onResize);
  draw();
  return {
    print(line) {
      log.clear();
      stream.write(`${line}\n`);
      draw();
    },
    stop() {
      clearInterval(timer);
      stream.off('resize', onResize);
      log.clear();
    },
  };
}
