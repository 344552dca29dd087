import { EsparseError } from '@esparse/errors';
import { narrow } from '@esparse/kernels';
import type { BlockOp, ModelDescription, ProgramOp } from '@esparse/model';

/** What comes behind the last block, which stays as it is. */
export interface ModelHead {
  /** Of the norms there, by the checkpoint's names: f32. */
  readonly tensors: ReadonlyMap<string, Float32Array>;
  /** The matrix that makes logits, (vocab x hidden), bf16. */
  readonly matrix: Uint16Array;
}

/** Where weights are read: all of a tensor, f32. */
interface Weights {
  read(name: string, signal?: AbortSignal): Promise<Float32Array>;
}

/** Reads what comes behind the last block of a model. */
export async function readModelHead(
  description: ModelDescription,
  weights: Weights,
  signal?: AbortSignal,
): Promise<ModelHead> {
  const tensors = new Map<string, Float32Array>();
  for (const { name, shape } of description.outerTensors)
    if (shape.length === 1) tensors.set(name, await weights.read(name, signal));
  const { weight } = splitHead(description).logits;
  return { tensors, matrix: narrow('bf16', await weights.read(weight, signal)) };
}

/** The operations behind the last block, and the one at the end that makes logits. */
export function splitHead({ program: { head } }: ModelDescription): {
  readonly operations: readonly BlockOp[];
  readonly logits: Extract<ProgramOp, { readonly op: 'logits' }>;
} {
  const logits = head.at(-1);
  // `checkProgram` has seen that it is there.
  if (logits?.op !== 'logits') throw new EsparseError('internal', 'a head that does not end with logits');
  return { operations: head.slice(0, -1) as readonly BlockOp[], logits };
}
