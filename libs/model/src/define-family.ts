import { EsparseError } from '@esparse/errors';
import type { z } from 'zod';
import { parseConfig } from './config.ts';
import type { ModelDescription } from './description.ts';
import type { ModelFamily } from './family.ts';

/** What a model family is made of. */
export interface FamilyDefinition<Schema extends z.ZodObject> {
  /** Lower-case words joined by dashes. */
  readonly name: string;
  /** The values of config.json's `architectures[0]` that it answers to. */
  readonly architectures: readonly string[];
  /** The values of `model_type` that it answers to where config.json names no architecture. @default none */
  readonly modelTypes?: readonly string[];
  /** The values of `quantization_config.quant_method` whose tensors it reads, see `FusedTensor`. @default none */
  readonly quantizations?: readonly string[];
  /** The fields of config.json that it reads, as an object of zod, with the defaults of the model's own code. */
  readonly config: Schema;
  /**
   * Describes the model of these fields.
   * @throws EsparseError 'unsupported' for a model that it does not know, 'checkpoint' for fields that contradict each other
   */
  describe(config: z.output<Schema>): FamilyDescription;
}

/** What a family says of a model: all of its description but the family's name. */
export type FamilyDescription = Omit<ModelDescription, 'family'>;

/**
 * Defines a model family.
 * @throws EsparseError 'usage' for a name that no family may have, or where it answers to no architecture
 */
export function defineFamily<Schema extends z.ZodObject>({
  name,
  architectures,
  modelTypes = [],
  quantizations = [],
  config: schema,
  describe,
}: FamilyDefinition<Schema>): ModelFamily {
  if (typeof name !== 'string' || !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name)) {
    throw new EsparseError('usage', `a model family is called ${JSON.stringify(name)}`, {
      hint: 'name it in lower-case words joined by dashes',
    });
  }
  if (!Array.isArray(architectures) || architectures.length === 0) {
    throw new EsparseError('usage', `model family '${name}' answers to no architecture`, {
      hint: "list the values of config.json's architectures that it describes",
    });
  }
  return {
    name,
    architectures,
    modelTypes,
    quantizations,
    describe: (config) => ({ ...describe(parseConfig(schema, config)), family: name }),
  };
}
