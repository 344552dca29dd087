import { describeModel } from '@esparse/model';
import { densePath, readRunAttributes } from '@esparse/model-store';
import { openStore, type CommittedGroup } from '@esparse/store';

/** A linear of a store, and the committed block that holds it. */
export interface StoredLinear {
  readonly group: CommittedGroup;
  readonly name: string;
  readonly rows: number;
  readonly cols: number;
  /** The array of its weights where it is not pruned. */
  readonly dense: string;
}

/** Every linear of a store's current run, in the order in which a step needs them. */
export async function storedLinears(store: string): Promise<StoredLinear[]> {
  const run = await (await openStore(store)).openRun();
  const description = describeModel(readRunAttributes(run.attributes).config);
  const linears: StoredLinear[] = [];
  for (let block = 0; block < description.blocks; block++) {
    const group = await run.block(block);
    for (const { name, rows, cols, weight } of description.linears) {
      linears.push({ group, name, rows, cols, dense: densePath(weight(block)) });
    }
  }
  return linears;
}
