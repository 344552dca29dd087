import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Answers that wait behind others of their connection. */
const waiting = new WeakMap<Socket, Set<ServerResponse>>();

/**
 * Has an answer close with its connection, whether its turn has come or not. Of requests that a client sends one behind the
 * other, without waiting for answers (pipelining), Node tells only the answer whose turn it is that the client has gone: the
 * others would go on to their ends for nobody.
 */
export function closeWithConnection(socket: Socket, answer: ServerResponse): void {
  // Node gives an answer the socket when its turn comes.
  if (answer.socket !== null) return;
  const answers = waiting.get(socket) ?? waitingOn(socket);
  answers.add(answer);
  answer.once('close', () => answers.delete(answer));
}

function waitingOn(socket: Socket): Set<ServerResponse> {
  const answers = new Set<ServerResponse>();
  waiting.set(socket, answers);
  socket.once('close', () => {
    for (const answer of [...answers].filter((one) => one.socket === null)) {
      answer.destroy();
      answer.emit('close');
    }
  });
  return answers;
}
