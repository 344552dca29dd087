import { EsparseError, isEsparseError, messageOf } from '@esparse/errors';
import type { DeviceName } from './device-name.ts';
import { identify } from './device-identity.ts';
import { instructionSet } from './instruction-set.ts';
import { loadRuntime } from './load-runtime.ts';
import type { DeviceValue, Value } from './session.ts';
import { createUploader } from './upload.ts';

/** What computes, open and tried. */
export interface Device {
  readonly name: DeviceName;
  /** Names its arithmetic: part of the numerics id. */
  readonly arithmetic: string;
  /**
   * Copies a value into the memory of the device, where the runs of any session find it. Absent where there is nothing
   * to copy (CPU).
   */
  readonly place?: (value: Value) => Promise<DeviceValue>;
  release(): Promise<void>;
}

/** The processor: always there, nothing to open. */
export const CPU: Device = {
  name: 'cpu',
  arithmetic: `cpu/${instructionSet()}`,
  release: () => Promise.resolve(),
};

/**
 * Opens a device and computes something small on it, so that one that is not there is an error now and not at the first
 * block.
 * @throws EsparseError 'usage' where there is no such device; the hint says what it needs
 */
export async function openDevice(name: DeviceName): Promise<Device> {
  if (name === 'cpu') return CPU;
  const { listSupportedBackends } = await loadRuntime();
  if (!listSupportedBackends().some((backend) => backend.name === name)) {
    throw new EsparseError(
      'usage',
      `onnxruntime-node for ${process.platform} ${process.arch} has no ${name}`,
      { hint: 'use --device cpu on this machine' },
    );
  }
  try {
    // It is open as long as this session is: without any, WebGPU's context and its compiled shaders would go.
    const uploader = await createUploader(name);
    try {
      return { name, arithmetic: `webgpu/${await identify(name)}`, ...uploader };
    } catch (error) {
      await uploader.release();
      throw error;
    }
  } catch (error) {
    throw noDevice(name, reasonOf(error), error);
  }
}

/** The error for a device that cannot be used, with what it needs. */
export function noDevice(name: Exclude<DeviceName, 'cpu'>, reason: string, cause?: unknown): EsparseError {
  return new EsparseError('usage', `there is no ${name} device that works: ${reason}`, {
    hint: NEEDS[name],
    cause,
  });
}

/** What ONNX Runtime says, without the place in its sources. */
function reasonOf(error: unknown): string {
  const cause = isEsparseError(error) ? (error.cause ?? error) : error;
  return messageOf(cause)
    .replace(/^.* was false\. /s, '')
    .trim();
}

const NEEDS = {
  webgpu:
    "install the GPU's Vulkan driver and the Vulkan loader with its X client libraries (Debian: libvulkan1 libx11-6 " +
    'libxext6); a container needs NVIDIA_DRIVER_CAPABILITIES=graphics,compute,utility; see docs/gpu.md',
} as const;
