import type { ServerResponse } from 'node:http';

/** Of streams that ended in an error, its status: their 200 had left by then. */
const failures = new WeakMap<ServerResponse, number>();

/** Takes note that a stream ends in an error. */
export function endsInError(answer: ServerResponse, status: number): void {
  failures.set(answer, status);
}

/** What the log and the metrics say of an answer that has closed; 499 where its client went away before its end. */
export function closedStatus(answer: ServerResponse): number {
  return answer.writableFinished ? (failures.get(answer) ?? answer.statusCode) : 499;
}
