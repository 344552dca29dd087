import { tensorBytes, tensorToF32, type TensorDtype, type TensorToList } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { tensorsOfBlock, type ModelDescription } from '@esparse/model';
import type { FilePart } from '@esparse/storage';
import type { ExportSource } from './source.ts';

/** A tensor as the checkpoint had it: of one tensor of the model, or of several, one below the other. */
export interface CheckpointTensor extends TensorToList {
  readonly dtype: TensorDtype;
  readonly parts: readonly FilePart[];
}

/** The tensors of the checkpoint that a run was made from, with the run's weights, in the order of the model. */
export async function checkpointTensors(source: ExportSource): Promise<CheckpointTensor[]> {
  const all: CheckpointTensor[] = [];
  for (const { name, shape, parts } of tensorsOf(source.description)) {
    const infos = await Promise.all(parts.map((part) => source.tensors.info(part)));
    const dtype = source.layout?.tensors.get(name)?.[0] ?? widestOf(infos.map((info) => info.dtype));
    all.push({
      name,
      shape,
      dtype,
      parts: infos.map((info) => ({
        bytes: tensorBytes({ ...info, dtype }),
        read: async (signal) => converted(await source.tensors.read(info.name, signal), info.dtype, dtype),
      })),
    });
  }
  return all;
}

/** Every tensor of the checkpoint once: outside the blocks, then block by block; fused ones in the place of their parts. */
export function tensorsOf(
  description: ModelDescription,
): { readonly name: string; readonly shape: readonly number[]; readonly parts: readonly string[] }[] {
  const own = ({ name, shape }: { readonly name: string; readonly shape: readonly number[] }) => ({
    name,
    shape,
    parts: [name],
  });
  const all = description.outerTensors.map(own);
  for (let block = 0; block < description.blocks; block++) {
    const fused = description.fusedTensors?.(block) ?? [];
    const isPart = new Set(fused.flatMap(({ parts }) => parts.map(({ name }) => name)));
    for (const { name, shape, parts } of fused)
      all.push({ name, shape, parts: parts.map((part) => part.name) });
    for (const tensor of tensorsOfBlock(description, block))
      if (!isPart.has(tensor.name)) all.push(own(tensor));
  }
  return all;
}

/** A fused tensor has one type: the one that holds all of its parts exactly. */
function widestOf(dtypes: readonly TensorDtype[]): TensorDtype {
  const first = dtypes[0]!;
  return dtypes.every((dtype) => dtype === first) ? first : 'F32';
}

async function converted(bytes: Uint8Array, from: TensorDtype, to: TensorDtype): Promise<Uint8Array> {
  if (from === to) return bytes;
  if (to !== 'F32') throw new EsparseError('internal', `weights stored as ${from} are not narrowed to ${to}`);
  const { buffer, byteOffset, byteLength } = await tensorToF32(from, bytes);
  return new Uint8Array(buffer, byteOffset, byteLength);
}
