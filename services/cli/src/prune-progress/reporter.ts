import type { Writable } from 'node:stream';
import type { PruneEvent } from '@esparse/pruner';
import { isInteractive, type Terminal } from '../terminal.ts';
import { lineOf } from './lines.ts';
import { PruneScreen } from './screen.ts';

/** Shows a run's events while it goes on. */
export interface Reporter {
  readonly emit: (event: PruneEvent) => void;
  /** Writes a line of another process above what is redrawn; absent where nothing is, and it can write for itself. */
  readonly print?: (line: string) => void;
  /** Removes what is redrawn, if anything is. */
  stop(): void;
}

export interface ReporterOptions {
  /** One JSON event a line, whatever the stream is. */
  readonly json: boolean;
  readonly stream: Terminal;
  /** @default that of the process */
  readonly env?: NodeJS.ProcessEnv;
}

/** JSON events; or plain lines, on a terminal with lines below them that are redrawn. */
export async function createReporter({ json, stream, env }: ReporterOptions): Promise<Reporter> {
  if (json) {
    return { emit: (event) => stream.write(`${JSON.stringify(event)}\n`), stop: () => undefined };
  }
  return isInteractive(stream, env) ? terminalReporter(stream) : lineReporter(stream);
}

function lineReporter(stream: Writable): Reporter {
  return {
    emit(event) {
      const line = lineOf(event);
      if (line !== undefined) stream.write(`${line}\n`);
    },
    stop: () => undefined,
  };
}

async function terminalReporter(stream: Terminal): Promise<Reporter> {
  // Most runs have no terminal, and what draws on one takes as long to load as Node to start.
  const { createLiveArea } = await import('../live-area.ts');
  const screen = new PruneScreen();
  const area = createLiveArea(stream, (columns) => screen.lines(columns));
  return {
    emit(event) {
      screen.update(event);
      const line = lineOf(event);
      if (line !== undefined) area.print(line);
    },
    print: area.print,
    stop() {
      area.stop();
    },
  };
}
