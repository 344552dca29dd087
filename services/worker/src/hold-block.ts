import { storeWeights } from '@esparse/model-store';
import type { LoadedBlock } from '@esparse/onnx';
import { openStore } from '@esparse/store';
import type { BlockTarget } from './compute-inputs.ts';
import type { OpenModel } from './models.ts';
import { requireBlock } from './require-inputs.ts';
import type { Held } from './slot.ts';

/** The block in use where it is the one wanted, else that one, loaded. */
export async function holdBlock(
  open: OpenModel,
  { block, pruned }: BlockTarget,
  signal: AbortSignal | undefined,
): Promise<Held<LoadedBlock>> {
  const { description, runner, blocks, prunedBlocks } = open;
  requireBlock(description, block);
  if (pruned === undefined) {
    if (prunedBlocks !== blocks) void prunedBlocks.clear();
    return holdDense(open, block, signal);
  }
  // On a GPU, of the dense ones, it stands beside the next.
  if (prunedBlocks !== blocks) void blocks.clear(denseKey(block + 1));
  const { store, run } = pruned;
  return prunedBlocks.hold(`pruned:${store}:${run}:${block}`, async () => {
    const weights = storeWeights(await (await openStore(store)).openRun(run), description);
    const loaded = await runner.load(block, weights, signal);
    loadNext(open, block, signal);
    return loaded;
  });
}

/** On a GPU, begins to load the dense block behind one: the worker has nothing else to do, or goes on meanwhile. */
export function loadNext(open: OpenModel, block: number, signal: AbortSignal | undefined): void {
  const { description, blocks, prunedBlocks } = open;
  if (prunedBlocks === blocks || block + 1 >= description.blocks) return;
  holdDense(open, block + 1, signal).then(
    ({ release }) => {
      release();
    },
    // What is wrong with it is told by whoever wants it.
    () => undefined,
  );
}

/** Gives up the dense blocks but for this one, and waits until they are gone. */
export function clearOthers({ blocks }: OpenModel, block: number): Promise<void> {
  return blocks.clear(denseKey(block));
}

function holdDense({ runner, blocks, weights }: OpenModel, block: number, signal: AbortSignal | undefined) {
  return blocks.hold(denseKey(block), () => runner.load(block, weights, signal));
}

function denseKey(block: number): string {
  return `dense:${block}`;
}
