import { setImmediate } from 'node:timers/promises';
import { memoryWeights, tinyLlama } from '@esparse/laws';
import { describeModel } from '@esparse/model';
import type { LoadedBlock } from '@esparse/onnx';
import { createFolding } from './folding.ts';
import { holdBlock } from './hold-block.ts';
import type { OpenLanguageModel, OpenModel } from './models.ts';
import { createSlot, withHeld } from './slot.ts';
import { tuneDraft, type TuneInput } from './tune-draft.ts';

const { config, tensors } = tinyLlama({});
const target = { model: '/m', seqlen: 8, block: 0 };
const run = { store: 'memory://nowhere', run: '0'.repeat(32) };

/** A model on a device that folds and computes nothing. @param slow - a block that takes its time to be read */
function idleModel(slow?: { readonly block: number; readonly reading: Promise<void> }) {
  const loaded: number[] = [];
  const released: number[] = [];
  const slot = (room?: number) => createSlot<LoadedBlock>((block) => void block.release(), room);
  const open = {
    description: describeModel(config),
    weights: memoryWeights(tensors),
    opened: { statistics: {} },
    runner: {
      async load(block: number) {
        loaded.push(block);
        if (block === slow?.block) await slow.reading;
        const release = () => Promise.resolve(void released.push(block));
        return { release, show: () => Promise.resolve() } as unknown as LoadedBlock;
      },
    },
    blocks: slot(2),
    prunedBlocks: slot(),
  } as unknown as OpenModel;
  const hold = () => Promise.resolve({ value: open, release: () => undefined });
  const folding = createFolding({
    hold,
    withModel: (_target, use) => use(open),
    withLoaded: (model, wanted, use) => withHeld(holdBlock(model, wanted, undefined), use),
  });
  const states = { address: 0, length: 8, shape: [1, 8, describeModel(config).hidden] };
  Object.assign(open.opened, { states: { find: () => states, hold: () => () => undefined } });
  const fold = async (block: number) => {
    await folding.foldBegin({ target: { ...target, block }, taps: [], statistics: [] });
    const key = { ...run, dense: false, block, shard: 0 };
    await folding.foldAdd({ target: { ...target, block }, own: { key } });
  };
  const dense = async (block: number) => {
    (await holdBlock(open, { ...target, block }, undefined)).release();
  };
  return { open, folding, fold, dense, loaded, released };
}

test('the next block is read when the statistics of one have been taken, beside that one, of which the dense model may be run', async () => {
  const { open, folding, fold, dense, loaded, released } = idleModel();
  await fold(0);
  await folding.foldFinish(undefined);
  expect(loaded).toEqual([0]);
  await folding.foldEnd(undefined);
  expect(loaded).toEqual([0, 1]);
  await dense(0);
  expect([loaded, released]).toEqual([[0, 1], []]);
  // What is pruned takes the place of what was not; there is nothing in this store.
  await expect(holdBlock(open, { ...target, pruned: run }, undefined)).rejects.toThrow();
  expect(released).toEqual([0]);
  await fold(1);
  expect([loaded, released]).toEqual([[0, 1], [0]]);
  // Behind the last one there is none.
  await folding.foldFinish(undefined);
  await folding.foldEnd(undefined);
  expect(loaded).toEqual([0, 1]);
});

test('nothing is read ahead of statistics that did not come to an end, and those of a block have one block beside them', async () => {
  const { folding, fold, loaded, released } = idleModel();
  await fold(0);
  await folding.foldEnd(undefined);
  expect(loaded).toEqual([0]);
  await fold(0);
  await folding.foldFinish(undefined);
  await folding.foldEnd(undefined);
  expect([loaded, released]).toEqual([[0, 1], []]);
  // Again, as where another worker was lost.
  await fold(0);
  expect([loaded, released]).toEqual([[0, 1], [1]]);
});

test('nothing is read ahead where what was finished is dropped, to be folded again', async () => {
  const { folding, fold, loaded } = idleModel();
  await fold(0);
  await folding.foldFinish(undefined);
  await fold(0);
  expect(loaded).toEqual([0]);
});

test('nothing is folded before a next block that was still being read is gone', async () => {
  let arrive: () => void = () => undefined;
  const reading = new Promise<void>((resolve) => (arrive = resolve));
  const { folding, fold, released } = idleModel({ block: 1, reading });
  await fold(0);
  await folding.foldFinish(undefined);
  await folding.foldEnd(undefined);
  const again = fold(0).then(() => [...released]);
  await setImmediate();
  expect(() => folding.foldFinish(undefined)).toThrow('nothing is folded');
  arrive();
  expect(await again).toEqual([1]);
});

test('a block is tuned without the next one beside it, which takes room', async () => {
  const { open, folding, fold, released } = idleModel();
  await fold(0);
  await folding.foldFinish(undefined);
  await folding.foldEnd(undefined);
  const input = { target: { ...target, ...run }, request: {} } as unknown as TuneInput;
  const caller = { threads: 1, signal: new AbortController().signal, report: () => undefined };
  // There is nothing in this store.
  await expect(tuneDraft(open as OpenLanguageModel, input, caller)).rejects.toThrow();
  expect(released).toEqual([1]);
});
