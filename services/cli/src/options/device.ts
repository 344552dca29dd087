import { isWorkerDevice, WORKER_DEVICES, type WorkerDevice } from '@esparse/worker';
import { InvalidArgumentError, Option } from 'commander';

/** --device, of the commands that run blocks. */
export function deviceOption(description: string): Option {
  return new Option(`--device <${WORKER_DEVICES}>`, description)
    .env('ESPARSE_DEVICE')
    .argParser((text: string): WorkerDevice => {
      if (isWorkerDevice(text)) return text;
      throw new InvalidArgumentError(`Expected one of ${WORKER_DEVICES.replaceAll('|', ', ')}.`);
    });
}
