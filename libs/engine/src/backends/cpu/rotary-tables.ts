import { ropeTables, type RopeSpec, type RopeTables } from '@esparse/model';

/** Cosines and sines of the positions of a context, made at their first use and once for each rotary embedding. */
export type RotaryTables = (spec: RopeSpec) => RopeTables;

/** The tables of positions 0 .. context - 1. */
export function rotaryTables(context: number): RotaryTables {
  const made = new Map<RopeSpec, RopeTables>();
  return (spec) => {
    // Up to its trained length the dynamic type is the default one, whatever the number of rows.
    const rows = spec.type === 'dynamic' ? Math.min(context, spec.original) : context;
    const tables = made.get(spec) ?? ropeTables(spec, rows);
    made.set(spec, tables);
    return tables;
  };
}
