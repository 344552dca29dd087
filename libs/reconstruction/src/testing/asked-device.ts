import { setImmediate } from 'node:timers/promises';
import type { StatisticDevice } from '@esparse/statistics';

/** A device that computes nothing, and says what it was asked for. */
export interface AskedDevice {
  readonly device: StatisticDevice;
  /** Launches of kernels by their names, each as often as it is carried out. */
  readonly launched: Map<string, number>;
  /** Calls of the host: launches, products, and replays of what was recorded, which are one each. */
  calls: number;
  /** Recordings that have not been released. */
  recordings: number;
}

/** @param look - fills an array that is downloaded, when it is asked for; it is there a turn of the event loop later */
export function askedDevice(look: (to: ArrayBufferView) => void): AskedDevice {
  let next = 0;
  let recorded: string[] | undefined;
  const launched = new Map<string, number>();
  const count = (kernel: string) => launched.set(kernel, (launched.get(kernel) ?? 0) + 1);
  const ask = (kernel: string) => {
    if (recorded !== undefined) {
      recorded.push(kernel);
      return;
    }
    asked.calls++;
    count(kernel);
  };
  const nothing = () => undefined;
  const device: StatisticDevice = {
    ...{ load: nothing, release: nothing, upload: nothing, copy: nothing, fill: nothing, download: nothing },
    allocate: (bytes) => ({ address: (next += 2 ** 30), bytes }),
    async downloadLater(_from, to) {
      look(to);
      await setImmediate();
    },
    multiply: () => {
      ask('product');
    },
    launch: ask,
    record(work) {
      const kernels: string[] = (recorded = []);
      work();
      recorded = undefined;
      asked.recordings++;
      return {
        replay() {
          asked.calls++;
          kernels.forEach(count);
        },
        release: () => asked.recordings--,
      };
    },
  };
  const asked: AskedDevice = { device, launched, calls: 0, recordings: 0 };
  return asked;
}
