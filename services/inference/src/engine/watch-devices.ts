import type { DeviceUsage } from '@esparse/engine';
import type { DeviceState } from './messages.ts';

/** Between two looks at a device: asking it for its memory at every step would cost more than it tells. */
export const LOOK_INTERVAL_MS = 500;

/**
 * Makes the state of devices from what they have read so far. There may be more of them than one while one model replaces
 * another: those of one name are one device.
 *
 * @param usage looks at all of them
 * @param now milliseconds
 */
export function watchDevices(
  usage: () => readonly DeviceUsage[],
  now: () => number = () => performance.timeOrigin + performance.now(),
): (again?: boolean) => readonly DeviceState[] {
  let states: readonly DeviceState[] = [];
  let looked = -Infinity;
  return (again = false) => {
    const at = now();
    if (!again && at - looked < LOOK_INTERVAL_MS) return states;
    const before = new Map(states.map((state) => [state.device, state]));
    states = merged(usage()).map((device) => {
      const last = before.get(device.device);
      const seconds = last === undefined ? 0 : (at - last.at) / 1000;
      const read = last === undefined ? 0 : Math.max(0, device.readBytes - last.readBytes);
      return { ...device, at, readRate: seconds > 0 ? read / seconds : 0 };
    });
    looked = at;
    return states;
  };
}

function merged(all: readonly DeviceUsage[]): DeviceUsage[] {
  const byName = new Map<string, DeviceUsage>();
  for (const one of all) {
    const other = byName.get(one.device);
    if (other === undefined) {
      byName.set(one.device, one);
      continue;
    }
    const launches: Record<number, number> = { ...other.launches };
    for (const [tokens, count] of Object.entries(one.launches)) {
      launches[Number(tokens)] = (launches[Number(tokens)] ?? 0) + count;
    }
    byName.set(one.device, {
      ...one,
      // The one that was opened first has seen all that was taken since.
      memoryUsed: Math.max(one.memoryUsed, other.memoryUsed),
      readBytes: one.readBytes + other.readBytes,
      graphs: one.graphs + other.graphs,
      launches,
    });
  }
  return [...byName.values()];
}
