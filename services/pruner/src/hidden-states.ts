import { isEsparseError } from '@esparse/errors';
import type { HiddenStates } from '@esparse/store';
import { FIGURE_SHARD } from './boundary-error.ts';
import type { RunContext } from './run-context.ts';

/** What a step over hidden states needs to know of a run. */
type HiddenContext = Pick<RunContext, 'writer' | 'shards' | 'needsDense' | 'options'>;

/** Whether all hidden states before a block are there and sound: a power loss may have cut what was never flushed. */
export async function areStored(
  { writer: { run }, shards, needsDense, options }: HiddenContext,
  block: number,
  signal?: AbortSignal,
): Promise<boolean> {
  // Before the first block the dense model's are the same.
  if (!(await areSound(run.hidden, shards, block, signal))) return false;
  const dense = block === 0 ? [] : denseShards({ shards, needsDense, options });
  return areSound(run.hiddenDense, dense, block, signal);
}

/** The shards over which the dense model is run, too: all where something needs them, one where figures are taken. */
export function denseShards({
  shards,
  needsDense,
  options,
}: Pick<HiddenContext, 'shards' | 'needsDense' | 'options'>): HiddenContext['shards'] {
  if (needsDense) return shards;
  return options.figures === true ? shards.filter(({ index }) => index === FIGURE_SHARD) : [];
}

async function areSound(
  states: HiddenStates,
  shards: HiddenContext['shards'],
  block: number,
  signal?: AbortSignal,
): Promise<boolean> {
  if (shards.length > 0 && (await states.shards(block)).length < shards.length) return false;
  for (const { index } of shards) {
    try {
      await states.read(block, index, signal);
    } catch (error) {
      if (isEsparseError(error) && error.kind === 'store') return false;
      throw error;
    }
  }
  return true;
}

/** Removes the hidden states before all earlier blocks. */
export async function removeHiddenBefore(
  { writer: { run } }: Pick<HiddenContext, 'writer'>,
  block: number,
): Promise<void> {
  for (const states of [run.hidden, run.hiddenDense]) await states.removeBefore(block);
}

/** Removes all hidden states of a run. */
export async function removeHiddenStates({ writer: { run } }: Pick<HiddenContext, 'writer'>): Promise<void> {
  for (const states of [run.hidden, run.hiddenDense]) await states.removeAll();
}
