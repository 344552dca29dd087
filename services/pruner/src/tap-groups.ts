import { EsparseError } from '@esparse/errors';
import type { TapSpec } from '@esparse/model';

/**
 * GiB that the states of a block's statistics may take before its experts are gathered in several passes, in the variable
 * ESPARSE_STATISTICS_MEMORY: it is no option of a run, whose outcome does not depend on it. A pass costs the block's attention
 * once more; histograms of all experts of a block can take tens of gigabytes.
 */
const MEMORY_GIB = 2;

/** @throws EsparseError 'usage' where ESPARSE_STATISTICS_MEMORY is not a number of GiB */
export function statisticsMemory(): number {
  const text = process.env.ESPARSE_STATISTICS_MEMORY ?? String(MEMORY_GIB);
  const bytes = Number(text) * 2 ** 30;
  if (text.trim() !== '' && bytes >= 0 && Number.isFinite(bytes)) return bytes;
  throw new EsparseError('usage', `ESPARSE_STATISTICS_MEMORY is "${text}": expected GiB, such as 2 or 0.5`);
}

/**
 * Cuts the taps of a block into groups that are gathered, and whose linears are pruned, one after the other. What is no
 * expert's is in the first, and the taps of an expert stay together.
 *
 * @param bytesOf what the states of a tap take
 * @param limit of a group, in bytes, which a single expert may exceed
 */
export function tapGroups(
  taps: readonly TapSpec[],
  bytesOf: (tap: TapSpec) => number,
  limit: number = statisticsMemory(),
): readonly (readonly TapSpec[])[] {
  const groups: TapSpec[][] = [[]];
  let bytes = 0;
  for (const unit of byExpert(taps)) {
    const more = unit.reduce((sum, tap) => sum + bytesOf(tap), 0);
    if (bytes + more > limit && groups.at(-1)!.length > 0) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)!.push(...unit);
    bytes += more;
  }
  return groups;
}

/** The taps of each expert, and before them those of none. */
function byExpert(taps: readonly TapSpec[]): readonly (readonly TapSpec[])[] {
  const units = new Map<number, TapSpec[]>([[-1, []]]);
  for (const tap of taps) {
    const expert = tap.expert ?? -1;
    units.set(expert, [...(units.get(expert) ?? []), tap]);
  }
  return [...units.values()];
}
