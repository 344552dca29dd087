/** A process that does what it is told, for tests: they start it, so it is built, but no package contains it. */
import { setTimeout } from 'node:timers/promises';
import { answerCalls } from '../answer-calls.ts';

export type OddCall =
  | { readonly echo: string }
  | { readonly later: string }
  | { readonly fail: string }
  | { readonly do: 'abort' | 'exit' | 'hang' | 'allocate' | 'panic' };

export interface OddAnswer {
  readonly text: string;
  readonly pid: number;
}

answerCalls(async (call: OddCall, setup: string): Promise<OddAnswer> => {
  if ('echo' in call) return { text: setup + call.echo, pid: process.pid };
  if ('later' in call) return { text: call.later + (await setTimeout(50, '')), pid: process.pid };
  if ('fail' in call) throw new Error(call.fail);
  switch (call.do) {
    case 'exit':
      return process.exit(3);
    case 'abort':
      return process.abort();
    case 'panic':
      process.stderr.write(
        "thread '<unnamed>' panicked at /x/lib.rs:1:2:\nindex out of bounds\nnote: stack\n",
      );
      await setTimeout(20);
      return process.abort();
    case 'hang':
      for (;;);
    case 'allocate':
      for (const held: Buffer[] = []; ;) held.push(Buffer.alloc(16 * 2 ** 20, 1));
  }
});
