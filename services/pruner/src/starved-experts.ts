import { concatMap, from, map, of, type Observable, type OperatorFunction } from 'rxjs';
import type { TapSpec } from '@esparse/model';
import type { AnyStatistic, StatisticSketch } from '@esparse/statistics';
import { stateName } from '@esparse/dataflow';
import type { StarvedExpert } from '@esparse/model-store';

/**
 * Tokens that must have gone to an expert for its own statistics to be used. With fewer, sums over a few hundred channels
 * say more of those tokens than of the expert.
 */
export const MIN_EXPERT_TOKENS = 256;

/** The experts of a block that saw too few tokens, in their order. @param taps those that were gathered */
export function starvedExperts(
  { states }: StatisticSketch,
  taps: readonly TapSpec[],
  statistic: Pick<AnyStatistic, 'name'>,
  least: number,
): StarvedExpert[] {
  const seen = new Map<number, number>();
  for (const { name, expert } of taps) {
    const tokens = states.get(stateName(name, statistic.name))?.state.tokens ?? 0;
    if (expert !== undefined) seen.set(expert, tokens);
  }
  return [...seen]
    .filter(([, tokens]) => tokens < least)
    .map(([expert, tokens]) => ({ expert, tokens }))
    .sort((a, b) => a.expert - b.expert);
}

/** How the statistics of some experts are gathered anew. */
export interface Fallback {
  /** Which experts saw too few tokens. */
  readonly starved: (sketch: StatisticSketch) => readonly StarvedExpert[];
  readonly taps: readonly TapSpec[];
  /** Gathers what these taps are given when all tokens of the layer go there. */
  readonly gather$: (taps: readonly TapSpec[]) => Observable<StatisticSketch>;
  /** Releases states that are not used. */
  readonly dispose: (states: StatisticSketch['states']) => Promise<void>;
  readonly report: (starved: readonly StarvedExpert[]) => void;
}

/** Puts statistics of all tokens of the layer in the place of those of experts that saw too few. */
export function fallBack({
  starved: find,
  taps,
  gather$,
  dispose,
  report,
}: Fallback): OperatorFunction<StatisticSketch, StatisticSketch> {
  return concatMap((sketch) => {
    const starved = find(sketch);
    if (starved.length === 0) return of(sketch);
    report(starved);
    const again = taps.filter(({ expert }) => starved.some((each) => each.expert === expert));
    const isAgain = (name: string) => again.some((tap) => name.startsWith(`${tap.name}/`));
    const few = new Map([...sketch.states].filter(([name]) => isAgain(name)));
    const enough = [...sketch.states].filter(([name]) => !isAgain(name));
    return from(dispose(few)).pipe(
      concatMap(() => gather$(again)),
      map(({ states }) => ({ shards: sketch.shards, states: new Map([...enough, ...states]) })),
    );
  });
}
