import { weightSlot, type BlockTensorSpec, type LinearSpec } from './description.ts';

/** The tensors of a block, those of its linears among them, by the slots in which its program reads them. */
export function slotsOf(
  linears: readonly LinearSpec[],
  tensors: readonly BlockTensorSpec[],
  block: number,
): BlockTensorSpec[] {
  return [
    ...linears.map(({ name, weight, rows, cols }) => ({
      slot: weightSlot(name),
      name: weight(block),
      shape: [rows, cols],
    })),
    ...tensors,
  ];
}
