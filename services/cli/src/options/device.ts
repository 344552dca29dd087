import { isWorkerDevice, WORKER_DEVICES } from '@esparse/worker';
import { InvalidArgumentError, Option } from 'commander';

/** All NVIDIA GPUs of this machine, for a command that starts workers. */
export const ALL_GPUS = 'cuda:all';

/**
 * --device, of the commands that run blocks.
 *
 * @param others texts beside the devices of workers. @default none
 */
export function deviceOption(description: string, others: readonly string[] = []): Option {
  const there = [WORKER_DEVICES, ...others].join('|');
  return new Option(`--device <${there}>`, description).env('ESPARSE_DEVICE').argParser((text: string) => {
    if (isWorkerDevice(text) || others.includes(text)) return text;
    throw new InvalidArgumentError(`Expected one of ${there.replaceAll('|', ', ')}.`);
  });
}
