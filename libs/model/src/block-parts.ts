import {
  weightSlot,
  type LinearSpec,
  type ModelDescription,
  type PrunableModel,
  type TapSpec,
} from './description.ts';
import { kindOf } from './program.ts';

/** The linears of a block, in the order in which it uses them. */
export function linearsOf({ linears, program }: PrunableModel, block: number): readonly LinearSpec[] {
  return ofKind(linears, kindOf(program, block));
}

/** The taps of a block, in the order in which it defines them. */
export function tapsOf({ taps, program }: PrunableModel, block: number): readonly TapSpec[] {
  return ofKind(taps, kindOf(program, block));
}

/** Those of the linears, or of the taps, that a kind of block has. */
export function ofKind<Spec extends LinearSpec | TapSpec>(
  specs: readonly Spec[],
  kind: number,
): readonly Spec[] {
  return specs.filter(({ kinds }) => kinds === undefined || kinds.includes(kind));
}

/** The shape of every parameter of the blocks of a kind, by slot. */
export function slotShapes(description: ModelDescription, kind = 0): ReadonlyMap<string, readonly number[]> {
  const { linears, program, blocks, blockTensors } = description;
  const shapes = new Map<string, readonly number[]>();
  for (const { name, rows, cols } of ofKind(linears, kind)) shapes.set(weightSlot(name), [rows, cols]);
  let block = 0;
  while (block < blocks && kindOf(program, block) !== kind) block++;
  // Of a kind that no block is of, nothing is ever read.
  for (const { slot, shape } of block < blocks ? blockTensors(block) : []) shapes.set(slot, shape);
  return shapes;
}
