import { EsparseError } from '@esparse/errors';
import { BLOCK_OUTPUT, type DeviceTap } from '@esparse/model';
import type { HiddenStates, Run } from '@esparse/store';
import type { PlacedPart } from '@esparse/tuning';
import { mapAhead } from './ahead.ts';
import type { BlockTarget } from './compute-inputs.ts';
import type { ExampleOptions } from './examples.ts';
import { denseStates } from './methods/dense-states.ts';
import type { OpenLanguageModel } from './models.ts';
import { withPlaced, type StatesOfShard } from './placed-states.ts';

/**
 * Makes the sequences of `openExamples` in the memory of the device that runs the block: hidden states are those that it keeps, and
 * none comes to the host. A shard is run as a whole, as everywhere on a device.
 */
export async function placeExamples(
  open: OpenLanguageModel,
  target: BlockTarget & { readonly store: string; readonly run: string },
  run: Run,
  { request: { shards, sequences, dense }, seqlen, signal, onSequence }: ExampleOptions,
  add: (part: PlacedPart) => void,
): Promise<void> {
  const { block, store } = target;
  const size = seqlen * open.description.hidden;
  // Before the first block both models have the same states.
  const both = dense > 0 && block > 0;
  const { value: denseBlock, release } = await open.blocks.hold(`dense:${block}`, () =>
    open.runner.load(block, open.weights, signal),
  );
  /** The states of a shard, read in time where they are not kept. */
  const source = (states: HiddenStates, ofDense: boolean) => {
    const keyOf = (shard: number) => ({ store, run: target.run, dense: ofDense, block, shard });
    const read = (shard: number) => states.readStored(block, shard, signal);
    return {
      ahead: (shard: number) =>
        open.opened.states?.find(keyOf(shard)) === undefined ? read(shard) : undefined,
      /** Works with them, and tells how many sequences the shard has. */
      use: async (
        shard: number,
        ahead: Awaited<ReturnType<typeof read>> | undefined,
        work: (states: StatesOfShard) => Promise<void>,
      ): Promise<number> => {
        const key = keyOf(shard);
        const counted = async (states: StatesOfShard) => {
          await work(states);
          return states.shape[0]!;
        };
        return (
          (await withPlaced(open, target, { key, read: ahead }, counted)) ??
          (await withPlaced(open, target, { key, read: await read(shard) }, counted))!
        );
      },
    };
  };
  const own = source(run.hidden, false);
  const others = both ? source(denseStates(run, block), true) : undefined;
  const read = async (shard: number) => ({
    shard,
    ofOwn: await own.ahead(shard),
    ofOthers: await others?.ahead(shard),
  });
  let first = 0;
  /** Of a shard's values those of the sequences that are still wanted. */
  const wanted = ({ length }: { readonly length: number }) => Math.min(length, (sequences - first) * size);
  const giveInputs = (values: StatesOfShard['values']) => {
    const length = wanted(values);
    const some =
      'address' in values ? ({ ...values, type: 'bf16', length } as const) : values.subarray(0, length);
    add({ to: 'inputs', first, values: some, share: 1 });
  };
  /** Runs the block over a shard: a share of what it makes of it counts for the targets. */
  const aimAt = ({ values }: StatesOfShard, share: number) => {
    const visit = ({ address, type, rows, channels }: DeviceTap) => {
      const length = wanted({ length: rows * channels });
      add({ to: 'targets', first, values: { address, type, length }, share });
    };
    return denseBlock.show!(values, new Map([[BLOCK_OUTPUT, visit]]));
  };
  try {
    for await (const { shard, ofOwn, ofOthers } of mapAhead(shards, 1, read)) {
      signal.throwIfAborted();
      const count = await own.use(shard, ofOwn, async (states) => {
        giveInputs(states.values);
        await aimAt(states, both ? 1 - dense : 1);
      });
      await others?.use(shard, ofOthers, (states) => aimAt(states, dense));
      first = Math.min(sequences, first + count);
      onSequence(first);
      if (first === sequences) return;
    }
    throw new EsparseError('store', `the shards hold ${first} sequences, not ${sequences}`);
  } finally {
    release();
    // What is tuned takes its place.
    await open.blocks.clear();
  }
}
