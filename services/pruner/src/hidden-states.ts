import { isEsparseError } from '@esparse/errors';
import type { HiddenStates } from '@esparse/store';
import type { RunContext } from './run-context.ts';

/** What a step over hidden states needs to know of a run. */
type HiddenContext = Pick<RunContext, 'writer' | 'shards' | 'needsDense'>;

/** Whether all hidden states before a block are there and sound: a power loss may have cut what was never flushed. */
export async function areStored(
  { writer: { run }, shards, needsDense }: HiddenContext,
  block: number,
  signal?: AbortSignal,
): Promise<boolean> {
  // Before the first block the dense model's are the same.
  const needed = needsDense && block > 0 ? [run.hidden, run.hiddenDense] : [run.hidden];
  for (const states of needed) if (!(await areSound(states, shards, block, signal))) return false;
  return true;
}

async function areSound(
  states: HiddenStates,
  shards: HiddenContext['shards'],
  block: number,
  signal?: AbortSignal,
): Promise<boolean> {
  if ((await states.shards(block)).length < shards.length) return false;
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
