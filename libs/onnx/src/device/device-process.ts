/** The script of the process in which `tryDevice` opens a device. */
import { toEsparseError } from '@esparse/errors';
import type { DeviceName } from './device-name.ts';
import { openDevice } from './device.ts';
import type { TriedDevice } from './try-device.ts';

process.send!(await tried(process.argv[2] as DeviceName));
process.disconnect();

async function tried(name: DeviceName): Promise<TriedDevice> {
  try {
    const device = await openDevice(name);
    await device.release();
    return { arithmetic: device.arithmetic };
  } catch (error) {
    const { message, hint } = toEsparseError(error);
    return { message, hint };
  }
}
