import type { Writable } from 'node:stream';

/** A stream that may be a terminal. */
export interface Terminal extends Writable {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Whether lines can be redrawn on a stream: a terminal that is not a log of a build, and knows where its cursor is. */
export function isInteractive({ isTTY }: Terminal, env: NodeJS.ProcessEnv = process.env): boolean {
  return isTTY === true && env.TERM !== 'dumb' && (env.CI ?? '') === '';
}
