import type { WorkerConnection } from '@esparse/protocol';

/** Bounds the attempts that are under way: one for each worker that is connected. */
export interface WorkerSlots {
  /** Workers that are connected now. */
  readonly ready: number;
  /** The connection with the most free workers, or undefined where no attempt may begin. `avoid` is chosen last. */
  free(avoid?: WorkerConnection): WorkerConnection | undefined;
  /** Takes a slot of a connection until what it returns is called. */
  acquire(worker: WorkerConnection): () => void;
  /**
   * Counts a result that still waits for its use, until what it returns is called. Results and attempts together are one
   * more than the slots at most, so that no worker idles behind a use that keeps up, and no more results pile up behind
   * one that does not.
   */
  hold(): () => void;
}

/** @param inFlight attempts under way at most, however many workers there are */
export function createWorkerSlots(workers: readonly WorkerConnection[], inFlight = Infinity): WorkerSlots {
  const used = new Map(workers.map((worker) => [worker, 0]));
  let held = 0;
  const ready = () => workers.reduce((sum, worker) => sum + worker.ready, 0);
  const underWay = () => [...used.values()].reduce((sum, count) => sum + count, 0);
  return {
    get ready() {
      return ready();
    },
    free(avoid) {
      const slots = Math.min(inFlight, ready());
      if (underWay() >= slots || underWay() + held > slots) return undefined;
      const spare = (worker: WorkerConnection) => worker.ready - used.get(worker)!;
      const avoided = (worker: WorkerConnection) => Number(isSameWorker(worker, avoid));
      const [best] = workers
        .filter((worker) => spare(worker) > 0)
        .sort((a, b) => avoided(a) - avoided(b) || spare(b) - spare(a));
      return best;
    },
    acquire(worker) {
      used.set(worker, used.get(worker)! + 1);
      return once(() => {
        used.set(worker, used.get(worker)! - 1);
      });
    },
    hold() {
      held++;
      return once(() => {
        held--;
      });
    },
  };
}

/** Whether a connection leads to the very worker of another one: behind a name with several, gRPC finds a free one itself. */
export function isSameWorker(worker: WorkerConnection, other: WorkerConnection | undefined): boolean {
  return worker === other && worker.ready === 1;
}

function once(work: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    work();
  };
}
