import type { LinearData, ReportData, TapData } from '../src/data.ts';
import { readAttachment, numberReader, type NumberReader } from './numbers.ts';

/** The run that the page shows: its data, and the numbers that they point to. */
export interface ShownRun {
  readonly data: ReportData;
  readonly read: NumberReader;
  /** Blocks whose channels are shown. */
  readonly detailed: readonly number[];
  linear(block: number, name: string): LinearData | undefined;
  tap(block: number, name: string): TapData | undefined;
  /** The linears of a block that read a tap. */
  readersOf(block: number, tap: string): readonly LinearData[];
  /** Names of linears and of taps, in the model's order. */
  readonly linearNames: readonly string[];
  readonly tapNames: readonly string[];
}

/** Reads what stands in the page. */
export async function readRun(): Promise<ShownRun> {
  const textOf = (id: string) => document.getElementById(id)?.textContent ?? '';
  const data = JSON.parse(textOf('data')) as ReportData;
  const read = numberReader(await readAttachment(textOf('numbers')));
  const { blocks } = data;
  const names = (parts: readonly { readonly name: string }[]) => [...new Set(parts.map(({ name }) => name))];
  return {
    data,
    read,
    detailed: blocks.flatMap(({ block, linears }) =>
      linears.some(({ keptShare }) => keptShare !== undefined) ? [block] : [],
    ),
    linear: (block, name) => blocks[block]?.linears.find((linear) => linear.name === name),
    tap: (block, name) => blocks[block]?.taps.find((tap) => tap.name === name),
    readersOf: (block, tap) => blocks[block]?.linears.filter((linear) => linear.tap === tap) ?? [],
    linearNames: names(blocks.flatMap(({ linears }) => linears)),
    tapNames: names(blocks.flatMap(({ taps }) => taps)),
  };
}
