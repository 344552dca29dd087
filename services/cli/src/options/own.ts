import type { Option } from 'commander';
import { encodingOption, loadedEncoding, type EncodingFlags } from './encoding.ts';
import { familyOption, loadedFamily, type FamilyFlags } from './family.ts';

export { encodingOption, familyOption };

/** What a command may have to know to read a model that a store holds: a family and an encoding of the user's. */
export interface OwnFlags extends FamilyFlags, EncodingFlags {}

/** The options of `OwnFlags`. */
export function ownOptions(): Option[] {
  return [familyOption(), encodingOption()];
}

/** Makes them known to this thread. @throws EsparseError 'usage' where one cannot be loaded, hangs, or is none */
export async function loadOwn(flags: OwnFlags): Promise<void> {
  await loadedFamily(flags);
  await loadedEncoding(flags);
}
