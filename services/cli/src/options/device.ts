import { DEVICES } from '@esparse/onnx';
import { Option } from 'commander';

/** --device, of the commands that run blocks. */
export function deviceOption(description: string): Option {
  return new Option('--device <name>', description).choices(DEVICES).env('ESPARSE_DEVICE');
}
