import {
  isWithin,
  rangeInWords,
  SAMPLING_OPTIONS,
  type NumberField,
  type SamplingParams,
} from '@esparse/engine';
import { invalidField } from '@esparse/errors';
import { z } from 'zod';
import { snakeCase, type SnakeCase } from './snake-case.ts';

/** The engine's options that a request gives as numbers: each of them is a field here, by its entry there. */
type SamplingName = keyof typeof SAMPLING_OPTIONS;
type SamplingNumbers = Pick<SamplingParams, SamplingName>;
type FieldName = SnakeCase<SamplingName>;
type GivenNumber = number | null | undefined;

const NAMES = Object.keys(SAMPLING_OPTIONS) as SamplingName[];

/** Their schemas, for the body of an HTTP request. */
export const samplingFields = Object.fromEntries(
  NAMES.map((name) => [snakeCase(name), schemaOf(SAMPLING_OPTIONS[name].request)]),
) as Record<FieldName, z.ZodType<GivenNumber>>;

/** What a body that fits the schemas asks for; OpenAI's defaults where it says nothing. */
export function samplingOf(fields: Readonly<Record<FieldName, GivenNumber>>): SamplingNumbers {
  return Object.fromEntries(
    NAMES.map((name) => [name, fields[snakeCase(name)] ?? SAMPLING_OPTIONS[name].request.default]),
  );
}

/** Reads the same from a gRPC message. @throws RequestError `invalid` for a number out of range */
export function readSampling(message: SamplingNumbers): SamplingNumbers {
  return Object.fromEntries(
    NAMES.map((name) => {
      const field: NumberField = SAMPLING_OPTIONS[name].request;
      const value = message[name] ?? field.default;
      if (!isWithin(value, field)) {
        throw invalidField(snakeCase(name), `${snakeCase(name)}: expected ${rangeInWords(field)}`);
      }
      return [name, value];
    }),
  );
}

function schemaOf({ integer = false, min, above, max }: NumberField): z.ZodType<GivenNumber> {
  let number: z.ZodNumber = integer ? z.int() : z.number();
  if (min !== undefined) number = number.min(min);
  if (above !== undefined) number = number.gt(above);
  return number.max(max).nullish();
}
