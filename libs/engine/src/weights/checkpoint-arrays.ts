import { tensorBytes, type Checkpoint, type TensorDtype, type TensorInfo } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { tensorsOfBlock, type ModelDescription, type TensorSpec } from '@esparse/model';
import { densePath } from '@esparse/model-store';
import type { ArrayInfo } from '@esparse/store';
import type { ArrayGroup, FilePlace, ModelArrays } from './model-arrays.ts';

/** How a store would call each type: 16-bit floats are their bits. */
const DTYPES = {
  BF16: { dtype: 'uint16', attributes: { dtype: 'bf16' } },
  F16: { dtype: 'uint16', attributes: { dtype: 'f16' } },
  F32: { dtype: 'float32', attributes: { dtype: 'f32' } },
} as const satisfies Record<TensorDtype, Pick<ArrayInfo, 'dtype' | 'attributes'>>;

/**
 * The tensors of a checkpoint as a run's arrays: row-major, as the dense kernels read them.
 *
 * @param placeOf where a tensor lies on this machine
 */
export function checkpointArrays(
  checkpoint: Pick<Checkpoint, 'info' | 'directory'>,
  description: ModelDescription,
  placeOf: (tensor: string) => FilePlace | Promise<FilePlace>,
): ModelArrays {
  const groupOf = (
    name: string,
    tensors: readonly TensorSpec[],
    pathOf: (tensor: string) => string,
  ): ArrayGroup => {
    const infos = new Map(tensors.map((tensor) => [pathOf(tensor.name), checkpoint.info(tensor.name)]));
    return {
      name: `${checkpoint.directory}, ${name}`,
      arrays: new Map([...infos].map(([path, info]) => [path, arrayOf(info)])),
      groupAttributes(path) {
        throw new EsparseError('internal', `a checkpoint has no packed linear ${path}`);
      },
      locate: async (array) => placeOf(infos.get(array)!.name),
    };
  };
  return {
    dense: () => Promise.resolve(groupOf('outside the blocks', description.outerTensors, (name) => name)),
    block: (k) => Promise.resolve(groupOf(`block ${k}`, tensorsOfBlock(description, k), densePath)),
    close: () => Promise.resolve(),
  };
}

function arrayOf(info: TensorInfo): ArrayInfo {
  return { ...DTYPES[info.dtype], shape: info.shape, bytes: tensorBytes(info) };
}
