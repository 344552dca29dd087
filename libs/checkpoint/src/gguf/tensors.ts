import { EsparseError } from '@esparse/errors';
import { narrow } from '@esparse/kernels';
import type { CheckpointFile } from '../checkpoint-file.ts';
import { bytesPerElement, elementCount, type TensorDtype } from '../tensor-info.ts';
import { bytesOf } from '../views.ts';
import type { GgufModel } from './model.ts';
import type { GgufHeader } from './header.ts';
import { GGUF_TYPES, type GgufType } from './quantized.ts';
import { toCheckpoint } from './row-transforms.ts';

/** A tensor of a GGUF file as the checkpoint has it. */
export interface ReadableTensor {
  readonly name: string;
  readonly dtype: TensorDtype;
  readonly shape: readonly number[];
  /** Rows and bytes of each as the checkpoint has them; a vector is one row. */
  readonly rows: number;
  readonly rowBytes: number;
  /** So many rows are read together at least: those of a head where their order changes. */
  readonly unit: number;
  /** The bytes of rows `begin .. end - 1`, whole units. */
  read(begin: number, end: number, signal?: AbortSignal): Promise<Uint8Array>;
}

/**
 * The tensors of a model, checked: types that are known, whole blocks, within the file.
 * @throws EsparseError 'unsupported' for a type that is not known, 'checkpoint' for one that does not fit
 */
export function readableTensors(
  { tensors, dataBegin }: GgufHeader,
  model: GgufModel,
  file: CheckpointFile,
  where: string,
): ReadableTensor[] {
  return model.tensors.map(({ name, source, transform }) => {
    const tensor = tensors.get(source)!;
    const type = GGUF_TYPES.get(tensor.type);
    if (type === undefined) {
      throw new EsparseError('unsupported', `${where}: tensor '${source}' is of ggml's type ${tensor.type}`, {
        hint: `the types that are read are ${[...GGUF_TYPES.values()].map((known) => known.name).join(', ')}`,
        context: { tensor: source },
      });
    }
    const refuse = (what: string): never => {
      throw new EsparseError('checkpoint', `${where}: tensor '${source}' ${what}`, {
        hint: 'fetch the file again, or convert the model anew',
        context: { tensor: source },
      });
    };
    const { shape } = tensor;
    const cols = shape.at(-1)!;
    const elements = elementCount(shape) ?? refuse('has more elements than can be counted');
    if (elements === 0) refuse('is empty');
    if (cols % type.elements !== 0)
      refuse(`has rows of ${cols} elements, no multiple of ${type.elements} (${type.name})`);
    const rows = shape.length === 1 ? 1 : elements / cols;
    const storedRow = (cols / type.elements) * type.bytes;
    const begin = dataBegin + tensor.offset;
    if (begin + rows * storedRow > file.size) refuse('ends beyond the file');
    const heads = transform?.kind === 'paired' ? transform.heads : undefined;
    // The bias of a linear whose rows are reordered is reordered as well: it is one row of heads.
    const ordered = shape.length === 1 ? elements : rows;
    if (heads !== undefined && ordered % (2 * heads) !== 0) refuse(`has ${ordered} rows for ${heads} heads`);
    const perHead = heads === undefined ? 1 : ordered / heads;
    return {
      name,
      dtype: type.dtype,
      shape,
      rows,
      rowBytes: cols * bytesPerElement(type.dtype),
      unit: shape.length === 1 ? 1 : perHead,
      async read(first, last, signal) {
        const bytes = await file.read(begin + first * storedRow, (last - first) * storedRow, signal);
        const values = asStored(bytes, type, (last - first) * cols);
        return toCheckpoint(values, transform, {
          dtype: type.dtype,
          perHead,
          rowBytes: shape.length === 1 ? bytesPerElement(type.dtype) : cols * bytesPerElement(type.dtype),
        });
      },
    };
  });
}

/** The values in the type that the checkpoint has them in. */
function asStored(bytes: Uint8Array, type: GgufType, elements: number): Uint8Array {
  if (type.dequantize === undefined) return bytes;
  const values = new Float32Array(elements);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  type.dequantize(view, elements / type.elements, values);
  return bytesOf(narrow('bf16', values));
}
