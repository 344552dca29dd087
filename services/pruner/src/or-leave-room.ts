import type { SolverDevice } from './solver-device.ts';

/**
 * What some work gives. Where it fails, devices of this process give back the memory that they hold to use again: it may be that a worker
 * on the same GPU had no room beside it, and finds some when the work is tried again.
 */
export async function orLeaveRoom<T>(
  devices: readonly Pick<SolverDevice, 'trim'>[],
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    for (const device of devices) {
      try {
        device.trim();
      } catch {
        // It is lost: whoever wants something of it next says so.
      }
    }
    throw error;
  }
}
