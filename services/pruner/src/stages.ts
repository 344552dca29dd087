import { lastValueFrom } from 'rxjs';
import { guarded, type GuardOptions, type PluginCall } from '@esparse/dataflow';
import { EsparseError } from '@esparse/errors';
import type { Stage, StageDevice } from '@esparse/sparsity';

/** What the bits of a run depend on besides the arithmetic of the workers: the numerics ids of its stages. */
export async function numericsOf(
  stages: readonly Stage[],
  guard: GuardOptions,
  device?: StageDevice,
): Promise<string[]> {
  const all: string[] = [];
  for (const stage of stages) {
    if (stage.numerics === undefined) continue;
    const call = callOf(stage, 'numerics()');
    all.push(await lastValueFrom(guarded(call, () => stage.numerics!(device), checkNumerics, guard)));
  }
  return all;
}

/**
 * Runs `work`, and releases what stages hold however it has ended. An error of the work comes before those of releasing.
 */
export async function thenRelease<T>(
  stages: readonly Stage[],
  guard: GuardOptions,
  work: () => Promise<T>,
): Promise<T> {
  const release = () =>
    Promise.allSettled(
      stages.map(async (stage) => {
        if (stage.release === undefined) return;
        const call = callOf(stage, 'release()');
        await lastValueFrom(
          guarded(
            call,
            () => stage.release!(),
            () => undefined,
            guard,
          ),
        );
      }),
    );
  let result: T;
  try {
    result = await work();
  } catch (error) {
    await release();
    throw error;
  }
  for (const outcome of await release()) if (outcome.status === 'rejected') throw outcome.reason;
  return result;
}

function callOf({ name }: Stage, where: string): PluginCall {
  return { plugin: `stage ${name}`, where };
}

/** Plain JavaScript may return anything. */
function checkNumerics(found: unknown): string {
  if (typeof found === 'string') return found;
  throw new EsparseError('usage', `it gives ${String(found)}, expected a text`);
}
