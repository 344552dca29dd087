import { Writable } from 'node:stream';
import { Terminal as Emulator } from '@xterm/headless';
import type { Terminal } from '../terminal.ts';

/** A terminal without a screen: takes what is written as a real one does, wraps, scrolls, and can change its width. */
export interface VirtualTerminal {
  readonly stream: Terminal;
  /** What is to be seen, with what has scrolled away above, without the spaces at the ends of rows. */
  rows(): Promise<string[]>;
  /** Changes the width: rows are wrapped anew, and the stream says so. */
  resize(columns: number): Promise<void>;
}

export function virtualTerminal(columns: number, rows = 24): VirtualTerminal {
  const terminal = new Emulator({ cols: columns, rows, allowProposedApi: true, convertEol: true });
  const stream = Object.assign(
    new Writable({
      write(chunk: Buffer, _, done) {
        terminal.write(chunk, done);
      },
    }),
    { isTTY: true, columns, rows },
  );
  /** Until everything that was written has been drawn. */
  const settled = () =>
    new Promise<void>((resolve) => {
      stream.write('', () => {
        terminal.write('', resolve);
      });
    });
  return {
    stream,
    async rows() {
      await settled();
      const { active } = terminal.buffer;
      const all = Array.from({ length: active.length }, (_, row) =>
        active.getLine(row)!.translateToString(true),
      );
      return all.slice(0, all.findLastIndex((row) => row !== '') + 1);
    },
    async resize(width) {
      await settled();
      terminal.resize(width, rows);
      stream.columns = width;
      stream.emit('resize');
      await settled();
    },
  };
}
