import { lastValueFrom } from 'rxjs';
import type { SketchState } from '@esparse/statistics';
import { guarded, type GuardOptions } from './guard.ts';

/**
 * Disposes of states, by name, that nobody will use again. `dispose` is a call of the plug-in like any other: what it
 * throws is thrown as an error of its statistic, after all other states are disposed of.
 */
export async function disposeStates(
  states: Iterable<readonly [string, SketchState]>,
  guard?: GuardOptions,
): Promise<void> {
  const calls = [...states].map(async ([name, { statistic, state }]) => {
    const call = { plugin: `statistic ${statistic.name}`, where: `disposing of ${name}` };
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
