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
  const holdDense = (wanted: number) =>
    blocks.hold(`dense:${wanted}`, () => runner.load(wanted, open.weights, signal));
  if (pruned === undefined) {
    if (prunedBlocks !== blocks) prunedBlocks.clear();
    return holdDense(block);
  }
  const { store, run } = pruned;
  return prunedBlocks.hold(`pruned:${store}:${run}:${block}`, async () => {
    const weights = storeWeights(await (await openStore(store)).openRun(run), description);
    const loaded = await runner.load(block, weights, signal);
    const isThere = prunedBlocks !== blocks && block + 1 < description.blocks;
    // What is wrong with it is told by whoever wants it.
    if (isThere)
      holdDense(block + 1).then(
        ({ release }) => {
          release();
        },
        () => undefined,
      );
    return loaded;
  });
}
