import {
  bytesOf,
  matricesOf,
  tensorBytes,
  tensorToF32,
  type FusedTensor,
  type TensorDtype,
} from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { tensorsOfBlock, type ModelDescription, type TensorSpec } from '@esparse/model';
import { laidOut } from './laid-out.ts';
import type { ExportSource } from './source.ts';
import type { ListedTensor } from './tensor-file.ts';

/** A tensor as the checkpoint had it, of one tensor of the model or of several. */
export interface CheckpointTensor extends ListedTensor {
  readonly dtype: TensorDtype;
}

/** The tensors of the checkpoint that a run was made from, with the run's weights, in the order of the model. */
export async function checkpointTensors(source: ExportSource): Promise<CheckpointTensor[]> {
  const all: CheckpointTensor[] = [];
  for (const tensor of tensorsOf(source.description)) {
    const { name, shape } = tensor;
    const infos = await Promise.all(tensor.parts.map((part) => source.tensors.info(part.name)));
    const stored = widestOf(infos.map((info) => info.dtype));
    // As the checkpoint had it, unless that does not hold what is stored: weights that are quantized need an f32.
    const dtype = stored === 'F32' ? stored : (source.layout?.tensors.get(name)?.[0] ?? stored);
    const parts = infos.map((info) => ({
      bytes: tensorBytes({ ...info, dtype }),
      read: async (signal?: AbortSignal) =>
        converted(await source.tensors.read(info.name, signal), info.dtype, dtype),
    }));
    all.push({ name, shape, dtype, parts: laidOut(tensor, parts) });
  }
  return all;
}

/** A tensor of the checkpoint, and the tensors of the model that it holds: itself, or several. */
export interface NamedTensor extends TensorSpec {
  readonly parts: readonly TensorSpec[];
  /** How it holds them, where they do not simply follow one another. */
  readonly fused?: FusedTensor;
}

/** Every tensor of the checkpoint once: outside the blocks, then block by block; fused ones in the place of their parts. */
export function tensorsOf(description: ModelDescription): NamedTensor[] {
  const own = ({ name, shape }: TensorSpec): NamedTensor => ({
    ...{ name, shape },
    parts: [{ name, shape }],
  });
  const all = description.outerTensors.map(own);
  for (let block = 0; block < description.blocks; block++) {
    const fused = (description.fusedTensors?.(block) ?? []).map((one): NamedTensor => ({
      ...{ name: one.name, shape: one.shape, fused: one },
      parts: one.parts.map(({ name, rows }) => ({ name, shape: [rows, ...matricesOf(one).columns] })),
    }));
    const isPart = new Set(fused.flatMap(({ parts }) => parts.map(({ name }) => name)));
    const others = tensorsOfBlock(description, block).filter(({ name }) => !isPart.has(name));
    all.push(...fused, ...others.map(own));
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
  return bytesOf(await tensorToF32(from, bytes));
}
