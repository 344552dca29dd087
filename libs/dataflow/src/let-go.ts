import { lastValueFrom } from 'rxjs';
import type { PartialState } from '@esparse/statistics';
import { guarded, type GuardOptions } from './guard.ts';

/**
 * Lets go of states that nobody will use, by name. `dispose` is the plug-in's like any other call: what it throws is told
 * as the statistic's, once all the others are let go.
 */
export async function letGo(
  states: Iterable<readonly [string, PartialState]>,
  guard?: GuardOptions,
): Promise<void> {
  const calls = [...states].map(async ([name, { statistic, state }]) => {
    const call = { plugin: `statistic ${statistic.name}`, where: `letting go of ${name}` };
    await lastValueFrom(
      guarded(
        call,
        () => statistic.dispose?.(state),
        () => undefined,
        guard,
      ),
    );
  });
  for (const outcome of await Promise.allSettled(calls)) {
    if (outcome.status === 'rejected') throw outcome.reason;
  }
}
