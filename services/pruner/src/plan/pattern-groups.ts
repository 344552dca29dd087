import { linearsOf, type ModelDescription } from '@esparse/model';
import { formatPattern } from '@esparse/sparsity';
import type { Layers } from '../layers.ts';
import { sum } from './sum.ts';

/** The linears of one pattern. */
export interface PatternGroup {
  /** Or `dense`. */
  readonly pattern: string;
  /** How many they are. */
  readonly linears: number;
  /** Globs of their names, as `--layer` takes them: together they name these linears and no others. */
  readonly names: readonly string[];
}

/** What each linear is pruned to, in few words. Given back as rules, the groups come to the same. */
export function patternGroups(description: ModelDescription, layers: Layers): PatternGroup[] {
  const { blocks } = description;
  const patternsOf = Array.from({ length: blocks }, (_, block) => {
    const pruned = new Map(layers.pruned(block).map(({ name, pattern }) => [name, formatPattern(pattern)]));
    return linearsOf(description, block).map(({ name }) => ({ name, pattern: pruned.get(name) ?? 'dense' }));
  });
  const patterns = [...new Set(patternsOf.flat().map(({ pattern }) => pattern))];
  return patterns.map((pattern) => {
    // The blocks in which the same linears have it.
    const blocksOf = new Map<string, number[]>();
    for (const [block, all] of patternsOf.entries()) {
      const names = all.filter((linear) => linear.pattern === pattern).map(({ name }) => name);
      if (names.length === 0) continue;
      const glob = names.length === all.length ? '*' : anyOf(names);
      blocksOf.set(glob, [...(blocksOf.get(glob) ?? []), block]);
    }
    return {
      pattern,
      linears: sum(patternsOf.map((all) => all.filter((linear) => linear.pattern === pattern).length)),
      names: [...blocksOf].map(([glob, some]) =>
        some.length < blocks ? `blocks.${anyOf(ranges(some))}.${glob}` : glob === '*' ? '*' : `*.${glob}`,
      ),
    };
  });
}

/** Consecutive numbers as {first..last}. */
function ranges(ascending: readonly number[]): string[] {
  const found: [first: number, last: number][] = [];
  for (const number of ascending) {
    const open = found.at(-1);
    if (open?.[1] === number - 1) open[1] = number;
    else found.push([number, number]);
  }
  return found.map(([first, last]) => (first === last ? `${first}` : `{${first}..${last}}`));
}

function anyOf(names: readonly string[]): string {
  return names.length === 1 ? names[0]! : `{${names.join(',')}}`;
}
