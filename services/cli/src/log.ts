import type { Logger } from 'pino';
import type { PrettyOptions } from 'pino-pretty';
import type { Terminal } from './terminal.ts';

/** A line for each message, with the time of day; the process is the one that is looked at. */
const FOR_PEOPLE: PrettyOptions = {
  ignore: 'pid,hostname,name',
  translateTime: 'SYS:HH:MM:ss',
  singleLine: true,
};

/**
 * The log of a server: lines for people on a terminal, one JSON object a line anywhere else.
 *
 * @param stream @default standard error
 */
export async function createLog(
  name: string,
  level: string,
  stream: Terminal = process.stderr,
): Promise<Logger> {
  // Commands that only read such a log do without it.
  const { pino } = await import('pino');
  if (stream.isTTY !== true) return pino({ name, level }, stream);
  const { default: pretty } = await import('pino-pretty');
  const colorize = (stream as Partial<NodeJS.WriteStream>).hasColors?.() ?? false;
  return pino({ name, level }, pretty({ ...FOR_PEOPLE, colorize, destination: stream }));
}

/** What makes a line of such a log, in JSON, one for people; any other line stays as it is. */
export async function linesForPeople(): Promise<(line: string) => string> {
  const { default: pretty } = await import('pino-pretty');
  const readable = pretty.prettyFactory({ ...FOR_PEOPLE, colorize: false });
  return (line) => readable(line).trimEnd();
}
