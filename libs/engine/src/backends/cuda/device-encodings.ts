import type { DeviceEncoding } from '@esparse/cuda';
import type { LinearSpec } from '@esparse/model';
import { isPacked } from '@esparse/sparsity';
import type { ArrayGroup } from '../../weights/model-arrays.ts';
import { attributesOf, refused, storedEncoding } from './stored-attributes.ts';

/** Linears that are read together, by their places in `DECODER_LINEARS`: one kernel, so one encoding. */
const TOGETHER = [[0, 1, 2], [3], [4, 5], [6]] as const;

/** What a block's linears are on the device, each; undefined where a block has none. */
export type Encodings = readonly (DeviceEncoding | undefined)[];

/** A linear is on the device what it is in the store where all that are read together with it are the same; else dense bf16. */
export function encodingsOf(
  group: ArrayGroup,
  specs: readonly (LinearSpec | undefined)[],
  block: number,
): Encodings {
  const own = specs.map((spec) => spec && storedEncoding(attributesOf(group, spec, block), spec.cols));
  return specs.map((spec, i) => {
    if (spec === undefined) return undefined;
    const together = TOGETHER.find((places) => places.some((place) => place === i))!;
    const encoding = own[i];
    const same = together.every((place) => specs[place] === undefined || own[place] === encoding);
    return encoding !== undefined && same ? encoding : 'dense';
  });
}

/**
 * The same of gate, up and down of all experts, whose kernels are one, of bf16.
 *
 * @throws EsparseError 'unsupported' naming an expert's linear that is integers
 */
export function encodingsOfExperts(
  group: ArrayGroup,
  experts: readonly (readonly LinearSpec[])[],
  block: number,
): Encodings {
  const own = experts.map((specs) =>
    specs.map((spec) => {
      const attributes = attributesOf(group, spec, block);
      if (attributes !== undefined && !isPacked(attributes)) {
        throw refused(`${group.name}: ${spec.name}, of an expert, is integers`);
      }
      return storedEncoding(attributes, spec.cols);
    }),
  );
  const allOf = (...places: readonly number[]) =>
    own.every((expert) => places.every((place) => expert[place] === 'sparse')) ? 'sparse' : 'dense';
  return [allOf(0, 1), allOf(0, 1), allOf(2)];
}
