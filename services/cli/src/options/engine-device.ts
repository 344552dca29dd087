import { InvalidArgumentError, Option } from 'commander';

/** --device, of the commands that run a stored model by the engine. */
export function engineDeviceOption(): Option {
  return new Option(
    '--device <cpu|cuda[:n,…]>',
    'what computes: the processor, or an NVIDIA GPU, counted from 0 (default: "cpu")',
  )
    .env('ESPARSE_DEVICE')
    .argParser(engineDevice);
}

/** A device of the engine. */
export function engineDevice(text: string): string {
  if (isEngineDevice(text)) return text;
  throw new InvalidArgumentError(
    "Expected cpu, cuda, cuda:N with the GPU's number, or cuda:0,1 for several.",
  );
}

/** Whether it is one that the engine may have. */
export function isEngineDevice(text: string): boolean {
  return /^(cpu|cuda(:\d{1,4}(,\d{1,4}){0,15})?)$/.test(text);
}
