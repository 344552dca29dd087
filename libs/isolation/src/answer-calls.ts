import { messageOf } from '@esparse/errors';
import { watchMemory } from './memory-watch.ts';
import type { Begin, CallMessage, ProcessMessage } from './messages.ts';

/**
 * The other side of `isolateCalls`: what the script of the process calls, once. An error that `work` throws is the
 * refusal of that call.
 *
 * @param work answers a call, at once or by a promise; `setup` is what `isolateCalls` was given
 */
export function answerCalls(work: (call: never, setup: never) => unknown): void {
  const send = (message: ProcessMessage) => process.send?.(message);
  let setup: unknown;
  let allow: (bytes: number) => void = () => undefined;
  let inFlightBytes = 0;

  const answer = async ({ id, call, extraBytes }: CallMessage) => {
    inFlightBytes += extraBytes;
    allow(inFlightBytes);
    try {
      send({ id, answer: await work(call as never, setup as never) });
    } catch (error) {
      send({ id, error: messageOf(error) });
    } finally {
      inFlightBytes -= extraBytes;
    }
  };

  process.on('message', (message: Begin | CallMessage) => {
    if ('id' in message) void answer(message);
    else {
      ({ setup } = message);
      allow = watchMemory(message.memoryBytes);
    }
  });
  // Nobody waits for an answer any more. An orderly exit would wait for native work that may never end.
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
  send({ ready: true });
}
