import type { DeviceMemory, StatisticDevice } from '@esparse/statistics';
import type { TapMatrix } from '../tap-matrix.ts';
import { byRowElements, withRoom } from './room.ts';

/** The matrix of a tap in a device's memory, row-major: one at a time, which stays until another one is wanted. */
export interface MatrixSlot {
  /** Its address. */
  hold(matrix: TapMatrix): Promise<number>;
  release(): void;
}

export function matrixSlot(device: StatisticDevice): MatrixSlot {
  let held: { readonly matrix: TapMatrix; readonly memory: DeviceMemory } | undefined;
  const release = () => {
    if (held !== undefined) device.release(held.memory);
    held = undefined;
  };
  return {
    async hold(matrix) {
      if (matrix.there?.device === device) return matrix.there.address;
      if (held?.matrix === matrix) return held.memory.address;
      release();
      const memory = await place(device, matrix);
      held = { matrix, memory };
      return memory.address;
    },
    release,
  };
}

/** Copies a matrix: from the device that has it, or a panel of columns at a time. */
async function place(device: StatisticDevice, matrix: TapMatrix): Promise<DeviceMemory> {
  const { channels, there } = matrix;
  return withRoom(device, `a matrix of ${channels} x ${channels}`, async (room) => {
    const whole = device.allocate(4 * channels ** 2);
    let panel: number | undefined;
    try {
      if (there !== undefined && device.copyFrom !== undefined) {
        device.copyFrom(whole.address, there.device, there.address, 4 * channels ** 2);
        return whole;
      }
      await matrix.panels(({ first, width }, columns) => {
        if (width === channels) {
          device.upload(whole.address, columns);
          return;
        }
        panel ??= room.floats(columns.length);
        device.upload(panel, columns);
        device.launch('solve_place', byRowElements(channels, width), [
          ...[
            { pointer: panel },
            { pointer: whole.address },
            { int: width },
            { int: channels },
            { int: first },
          ],
        ]);
      });
      return whole;
    } catch (error) {
      device.release(whole);
      throw error;
    }
  });
}
