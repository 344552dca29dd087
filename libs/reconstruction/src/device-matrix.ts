import type { MatrixProducts } from '@esparse/onnx';
import type { DeviceMemory, StatisticDevice } from '@esparse/statistics';
import { denseMatrix, type TapMatrix } from './tap-matrix.ts';

/** Threads of a block of the kernel. */
const THREADS = 256;

/**
 * A matrix that lies in a device's memory, which goes back with it. What computes on the host gets a copy of all of it.
 *
 * @throws EsparseError 'unavailable' where the device has no room for its diagonal: the memory has gone back then, too
 */
export function deviceMatrix(
  device: StatisticDevice,
  channels: number,
  memory: DeviceMemory,
  products: () => Promise<MatrixProducts>,
): TapMatrix {
  const diagonal = new Float32Array(channels);
  try {
    const found = device.allocate(diagonal.byteLength);
    device.launch('products_diagonal', { grid: [Math.ceil(channels / THREADS)], threads: THREADS }, [
      ...[{ pointer: memory.address }, { pointer: found.address }, { int: channels }],
    ]);
    device.download(found.address, diagonal);
    device.release(found);
  } catch (error) {
    device.release(memory);
    throw error;
  }
  let copied: Promise<TapMatrix> | undefined;
  const copy = async () => {
    const matrix = new Float32Array(channels ** 2);
    device.download(memory.address, matrix);
    return denseMatrix(matrix, channels, await products());
  };
  const onHost = () => (copied ??= copy());
  return {
    channels,
    diagonal,
    there: { device, address: memory.address },
    multiply: async (...args) => (await onHost()).multiply(...args),
    panels: async (visit) => (await onHost()).panels(visit),
    rows: async (which) => (await onHost()).rows(which),
    dense: async () => (await onHost()).dense(),
    release() {
      copied = undefined;
      device.release(memory);
    },
  };
}
