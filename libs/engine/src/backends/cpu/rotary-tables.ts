import { ropeTables, type ModelDescription, type RopeTables } from '@esparse/model';

/** Cosines and sines of the positions of a context. */
export type RotaryTables = RopeTables;

/** The tables of a model's positions 0 .. context - 1. */
export function rotaryTables({ rope }: ModelDescription, context: number): RotaryTables | undefined {
  if (rope === undefined) return undefined;
  // Up to its trained length the dynamic type is the default one, whatever the number of rows.
  return ropeTables(rope, rope.type === 'dynamic' ? Math.min(context, rope.original) : context);
}
