import { EsparseError } from '@esparse/errors';
import { z } from 'zod';

/** What `esparse prune --json` printed of a run, as far as a report shows it. */
export interface PruneLog {
  readonly run: string;
  readonly workers: readonly string[];
  /** By phase, `total` among them; absent where the run has not come to its end. */
  readonly seconds?: Readonly<Record<string, number>> | undefined;
  readonly peakResidentBytes?: { readonly pruner: number; readonly workers: readonly number[] } | undefined;
  readonly wireBytes?: number | undefined;
  /** The operator that worked most, and the share of the time in which it did; absent in what older versions wrote. */
  readonly slowest?: { readonly operator: string; readonly share: number } | undefined;
}

const started = z.object({ event: z.literal('started'), run: z.string(), workers: z.array(z.string()) });

const finished = z.object({
  event: z.literal('finished'),
  run: z.string(),
  seconds: z.record(z.string(), z.number()),
  peakResidentBytes: z.object({ pruner: z.number(), workers: z.array(z.number()) }),
  wireBytes: z.number(),
});

const operators = z.object({
  event: z.literal('operators'),
  run: z.string(),
  seconds: z.number().nonnegative(),
  operators: z.array(z.object({ operator: z.string().max(200), busy: z.number().min(0).max(1) })).max(256),
});

/** Which file, and the run that it must be of. */
interface Expected {
  readonly file: string;
  readonly run: string;
}

/**
 * Reads the events of a run, one JSON object a line; of several attempts, the last that began.
 *
 * @throws EsparseError 'text' where it is not what `esparse prune --json` printed of this run
 */
export function readPruneLog(text: string, { file, run }: Expected): PruneLog {
  let log: PruneLog | undefined;
  const others = new Set<string>();
  const busy = new Map<string, number>();
  let observed = 0;
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const event = parsed(line);
    if (event === undefined) throw refused(`${file}, line ${i + 1} is no JSON`);
    const { data: begun } = started.safeParse(event);
    if (begun?.run === run) log = begun;
    else if (begun !== undefined) others.add(begun.run);
    const { data: seen } = operators.safeParse(event);
    if (seen?.run === run) {
      observed += seen.seconds;
      for (const one of seen.operators)
        busy.set(one.operator, (busy.get(one.operator) ?? 0) + seen.seconds * one.busy);
    }
    const { data: ended } = finished.safeParse(event);
    if (ended?.run === run) log = { workers: [], ...log, ...ended };
  }
  const [slowest] = [...busy].sort(([, a], [, b]) => b - a);
  if (log !== undefined) {
    if (slowest === undefined || observed === 0) return log;
    return { ...log, slowest: { operator: slowest[0], share: slowest[1] / observed } };
  }
  const of = others.size === 0 ? '' : `: it is of ${[...others].slice(0, 3).join(', ')}`;
  throw refused(`${file} says nothing of run ${run}${of}`);
}

function refused(what: string): EsparseError {
  return new EsparseError('text', what, {
    hint: 'give what `esparse prune --json` printed of this run, one event a line',
  });
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return undefined;
  }
}
