import type { Subscription } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import type { WorkerConnection } from '@esparse/protocol';
import { createTaskQueue, type Job } from './task-queue.ts';
import { createWorkerSlots } from './worker-slots.ts';

/** Runs a test in virtual time. */
function virtually(test: (at: (ms: number, work: () => void) => void) => void): void {
  const scheduler = new TestScheduler(() => undefined);
  scheduler.run(({ flush }) => {
    test((ms, work) => scheduler.schedule(work, ms));
    flush();
  });
}

/** A queue over workers that a test connects, its jobs, and what happens to them. */
function queueOf(workers: readonly { address: string; ready: number }[], overdueMs = Infinity) {
  const connections = workers as unknown as WorkerConnection[];
  const events: string[] = [];
  const queue = createTaskQueue({
    workers: connections,
    slots: createWorkerSlots(connections),
    durations: { add: () => undefined, overdueMs: () => overdueMs },
    waitMs: 5000,
    onRetry: ({ why, worker }) => events.push(`${why} at ${worker}`),
  });
  const job = (name: string, place?: number) => {
    const attempts = new Map<Subscription, WorkerConnection>();
    const made: Job = {
      task: { kind: name, size: 1, ids: { shards: [] }, ...(place !== undefined && { place }) },
      attempts,
      begun: 0,
      avoid: undefined,
      begin: (_attempt, { address }) => events.push(`${name} at ${address}`),
      fail: ({ message }) => events.push(`${name}: ${message}`),
    };
    const end = () => {
      for (const [attempt] of attempts) attempt.unsubscribe();
      queue.remove(made);
    };
    return Object.assign(made, { end });
  };
  return { queue, events, job };
}

test('jobs of one place go to one worker, as long as there are some', () => {
  virtually((at) => {
    const workers = ['a', 'b'].map((address) => ({ address, ready: 1 }));
    const { queue, events, job } = queueOf(workers);
    const jobs = [0, 1, 0, 1, 1].map((place, i) => job(String(i), place));
    for (const each of jobs) queue.enqueue(each);
    at(10, jobs[1]!.end);
    at(20, jobs[0]!.end);
    // The other worker has nothing left of its own.
    at(30, jobs[2]!.end);
    at(40, () => {
      expect(events).toEqual(['0 at a', '1 at b', '3 at b', '2 at a', '4 at a']);
      for (const each of [jobs[3]!, jobs[4]!]) each.end();
    });
  });
});

test('jobs begin in their order, one for each free worker', () => {
  virtually((at) => {
    const { queue, events, job } = queueOf([{ address: 'a', ready: 1 }]);
    const [first, second] = [job('1'), job('2')];
    queue.enqueue(first);
    queue.enqueue(second);
    expect(events).toEqual(['1 at a']);
    at(10, first.end);
    at(20, () => {
      expect(events).toEqual(['1 at a', '2 at a']);
      second.end();
    });
  });
});

test('an overdue job is issued once more, at another worker', () => {
  const { queue, events, job } = queueOf(
    [
      { address: 'a', ready: 1 },
      { address: 'b', ready: 1 },
    ],
    3000,
  );
  virtually((at) => {
    const slow = job('slow');
    queue.enqueue(slow);
    at(9000, slow.end);
  });
  expect(events).toEqual(['slow at a', 'overdue at a', 'slow at b']);
});

test('jobs fail once no worker has been connected for the time that they may wait', () => {
  const worker = { address: 'a', ready: 0 };
  const { queue, events, job } = queueOf([worker]);
  virtually((at) => {
    queue.enqueue(job('lucky'));
    at(4000, () => {
      worker.ready = 1;
      queue.schedule();
    });
    at(6000, () => {
      worker.ready = 0;
      queue.enqueue(job('late'));
    });
    at(12_000, () => {
      queue.close();
    });
  });
  expect(events).toEqual(['lucky at a', 'late: no worker could be reached for 5 s at a']);
});
