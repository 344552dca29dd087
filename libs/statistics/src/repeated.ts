import type { RecordedWork, StatisticDevice } from './device.ts';

/** Work that a device is asked for again and again, with the same arguments. */
export interface RepeatedWork {
  run(): void;
  release(): void;
}

/** From the second time on the work is asked for as one piece, where the device records: to ask for each part may take the host longer. */
export function repeated(device: Pick<StatisticDevice, 'record'>, work: () => void): RepeatedWork {
  let runs = 0;
  let recorded: RecordedWork | undefined;
  return {
    run() {
      if (runs++ === 0 || device.record === undefined) work();
      else (recorded ??= device.record(work)).replay();
    },
    release: () => recorded?.release(),
  };
}
