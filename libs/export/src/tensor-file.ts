import { safetensorsHeader, type TensorToList } from '@esparse/checkpoint';
import type { FilePart } from '@esparse/storage';
import { partOf, type ExportFile } from './format.ts';

/** A tensor to be written to a safetensors file. */
export interface ListedTensor extends TensorToList {
  /** Its bytes, in one part or several. */
  readonly parts: readonly FilePart[];
}

/** A safetensors file of some tensors, in this order. */
export function tensorFile(name: string, tensors: readonly ListedTensor[]): ExportFile {
  return { name, parts: [partOf(safetensorsHeader(tensors)), ...tensors.flatMap(({ parts }) => parts)] };
}
