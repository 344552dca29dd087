import { EsparseError } from '@esparse/errors';
import { z } from 'zod';
import { optional } from '../config.ts';

/** The field of config.json that says of each layer how it attends. */
export const LAYER_TYPE_FIELDS = { layer_types: optional(z.array(z.string())) } as const;

/**
 * Which layers attend over a window: those that `layer_types` calls so or, in a config.json that is older than that field,
 * those that the family says.
 * @throws EsparseError 'checkpoint' for a list that is too short, 'unsupported' for a type of layer that is not known
 */
export function slidingLayers(
  config: { readonly layer_types?: readonly string[] | null | undefined; readonly num_hidden_layers: number },
  otherwise: (layer: number) => boolean,
): (layer: number) => boolean {
  const { layer_types: types, num_hidden_layers: layers } = config;
  if (types === undefined || types === null) return otherwise;
  if (types.length < layers) {
    throw new EsparseError(
      'checkpoint',
      `config.json: layer_types names ${types.length} of ${layers} layers (num_hidden_layers)`,
    );
  }
  const other = types.find((type) => type !== 'sliding_attention' && type !== 'full_attention');
  if (other !== undefined) {
    throw new EsparseError('unsupported', `config.json: layer_types has '${other}', which is not known`, {
      hint: "layers of the types 'full_attention' and 'sliding_attention' are",
    });
  }
  return (layer) => types[layer] === 'sliding_attention';
}
