import type { VerifyMode } from '@esparse/engine';
import { Option } from 'commander';

export interface VerifyFlags {
  readonly verify: VerifyMode;
}

/** --verify, of the commands that compute with the weights of a store. */
export function verifyOption(): Option {
  return new Option(
    '--verify <when>',
    'when every checksum of a store is compared: before anything is computed, meanwhile, or never',
  )
    .choices(['full', 'background', 'none'])
    .default('full')
    .env('ESPARSE_VERIFY');
}
