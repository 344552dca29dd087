import { GraphBuilder } from '../graph/builder.ts';
import type { DeviceName } from './device-name.ts';
import { loadRuntime } from './load-runtime.ts';
import { createSession, type DeviceValue, type Value } from './session.ts';

/** Copies values into the memory of a device. */
export interface Uploader {
  place(value: Value): Promise<DeviceValue>;
  release(): Promise<void>;
}

/**
 * A session that copies its input to an output on the device: onnxruntime-node has no other way to upload a value. What
 * was copied belongs to no session, so one session serves every block on the device, too, with the weights as inputs.
 */
export async function createUploader(device: DeviceName): Promise<Uploader> {
  const graph = new GraphBuilder('upload');
  graph.input('host', ['elements']);
  graph.node('Identity', ['host'], {}, ['device']);
  graph.output('device', ['elements']);
  const { Tensor } = await loadRuntime();
  const session = await createSession(graph.toBytes(), { device, toDevice: true });
  return {
    async place({ data, shape }) {
      const { device: flat } = await session.runToDevice(new Map([['host', { data, shape: [data.length] }]]));
      return {
        tensor: Tensor.fromGpuBuffer(flat!.gpuBuffer, { dataType: 'float32', dims: shape }),
        release: () => {
          flat!.dispose();
        },
      };
    },
    release: () => session.release(),
  };
}
