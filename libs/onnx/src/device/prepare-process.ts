import type { DeviceName } from './device-name.ts';

/** Variables that the libraries of a device read, with the values that our numerics need. */
const ENVIRONMENT: Readonly<Record<DeviceName, Readonly<Record<string, string>>>> = {
  cpu: {},
  webgpu: {},
  // cuBLAS rounds f32 to 10 bits (TF32) unless it is told not to.
  cuda: { NVIDIA_TF32_OVERRIDE: '0' },
};

/**
 * Sets the environment variables that a device needs; those that are set already stay as they are. `openDevice` does so,
 * which is enough on the main thread; where another thread opens the device, call it on the main thread before: a thread
 * sets variables for itself only, not for native libraries.
 */
export function prepareProcess(device: DeviceName): void {
  for (const [name, value] of Object.entries(ENVIRONMENT[device])) process.env[name] ??= value;
}
