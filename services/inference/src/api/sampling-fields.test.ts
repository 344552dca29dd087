import { SAMPLING_OPTIONS } from '@esparse/engine';
import { z } from 'zod';
import { commonFields } from './fields.ts';
import { readSampling, samplingFields, samplingOf } from './sampling-fields.ts';
import { snakeCase } from './snake-case.ts';

const schema = z.strictObject(samplingFields);

test('every option of the engine is a field, by its name in the API', () => {
  expect(Object.keys(samplingFields)).toEqual(Object.keys(SAMPLING_OPTIONS).map(snakeCase));
  expect(Object.keys(samplingFields)).toEqual(expect.arrayContaining(['temperature', 'top_p', 'top_k']));
});

test('no other field of a request, such as a refusal, takes the place of an option', () => {
  for (const [name, field] of Object.entries(samplingFields)) {
    expect(commonFields[name as keyof typeof commonFields]).toBe(field);
  }
});

test('what a body says reaches the parameters, and OpenAI’s defaults hold where it says nothing', () => {
  const body = schema.parse({ temperature: 0.5, top_k: 3, top_p: null });
  expect(samplingOf(body)).toMatchObject({ temperature: 0.5, topK: 3, topP: 1 });
  expect(samplingOf(schema.parse({}))).toMatchObject({ temperature: 1, topK: 0, topP: 1 });
});

test.each([
  ['temperature', { temperature: -0.1 }, 'from 0 to 2'],
  ['temperature', { temperature: 2.1 }, 'from 0 to 2'],
  ['temperature', { temperature: NaN }, 'from 0 to 2'],
  ['top_p', { topP: 0 }, 'above 0, at most 1'],
  ['top_p', { topP: 1.1 }, 'above 0, at most 1'],
  ['min_p', { minP: 1.1 }, 'from 0 to 1'],
  ['repetition_penalty', { repetitionPenalty: 0 }, 'from 0.01 to 2'],
  ['frequency_penalty', { frequencyPenalty: 2.1 }, 'from -2 to 2'],
  ['presence_penalty', { presencePenalty: -2.1 }, 'from -2 to 2'],
  ['top_k', { topK: 0.5 }, 'a whole number from -1 to 2147483647'],
])('%s out of range is refused by both protocols: %j', (field, message, expected) => {
  const body = Object.fromEntries(Object.entries(message).map(([name, value]) => [snakeCase(name), value]));
  expect(schema.safeParse(body).error?.issues.map(({ path }) => path)).toEqual([[field]]);
  expect(() => readSampling(message)).toThrow(`${field}: expected ${expected}`);
});
