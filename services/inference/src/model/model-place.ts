import { EsparseError } from '@esparse/errors';

/** Where the model is that is served: the store of its runs, or a checkpoint. */
export type ModelPlace = { readonly store: string } | { readonly model: string };

/** @throws EsparseError 'usage' where both are named, or neither */
export function placeOf({
  store,
  model,
}: {
  readonly store?: string | undefined;
  readonly model?: string | undefined;
}): ModelPlace {
  if (store !== undefined && model === undefined) return { store };
  if (store === undefined && model !== undefined) return { model };
  throw new EsparseError('usage', 'one model is served: a run of a store, or a checkpoint', {
    hint: 'give --store, a store of a pruned model, or --model, a checkpoint',
  });
}
