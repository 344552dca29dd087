import { z } from 'zod';
import { validate } from './validate.ts';

/** Words of zod's own, which are about schemas. */
const RAW = /Invalid|Too (small|big)|Unrecognized|nonoptional|received/;

function messageFor(schema: z.ZodType, value: unknown): string {
  try {
    validate(z.strictObject({ field: schema }), value === undefined ? {} : { field: value });
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('it was accepted');
}

test.each<[z.ZodType, unknown, string]>([
  [z.string(), undefined, 'field is required'],
  [z.unknown().nonoptional(), undefined, 'field is required'],
  [z.string(), null, 'field: expected text, not null'],
  [z.string(), 3, 'field: expected text, not 3'],
  [z.number(), 'x', 'field: expected a number, not text'],
  [z.int(), 1.5, 'field: expected a whole number, not 1.5'],
  [z.int(), 2 ** 60, 'field: expected at most 9007199254740991'],
  [z.boolean(), [], 'field: expected true or false, not a list'],
  [z.array(z.string()), {}, 'field: expected a list, not an object'],
  [z.array(z.string()), ['a', true], 'field.1: expected text, not true'],
  [z.record(z.string(), z.int()), 1, 'field: expected an object, not 1'],
  [z.tuple([z.string()]), 1, 'field: expected a list, not 1'],
  [z.never(), 1, 'field: expected nothing, not 1'],
  [z.number().min(1), 0, 'field: expected at least 1'],
  [z.number().gt(1), 1, 'field: expected more than 1'],
  [z.number().max(2), 3, 'field: expected at most 2'],
  [z.number().lt(2), 2, 'field: expected less than 2'],
  [z.string().min(2), 'a', 'field: expected at least 2 characters'],
  [z.array(z.int()).length(2), [1], 'field: expected exactly 2 entries'],
  [z.literal('a'), 'b', 'field: expected "a"'],
  [z.enum(['a', 'b']), 'c', 'field: expected one of "a", "b"'],
  [z.number().multipleOf(4), 6, 'field: expected a multiple of 4'],
  [z.string().regex(/^a/), 'b', 'field: expected text like /^a/'],
  [z.url(), 'b', 'field: expected text of another form'],
  [z.strictObject({}), { x: 1, y: 2 }, 'unknown fields: field.x, field.y'],
  [z.union([z.string(), z.array(z.string())]), 1, 'field: expected text, or a list'],
  [
    z.union([z.strictObject({ a: z.int() }), z.string()]),
    { a: 'b' },
    'field: it has none of the forms that are possible',
  ],
  [
    z.discriminatedUnion('type', [z.object({ type: z.literal('a') })]),
    { type: 'b' },
    'field.type: expected "a"',
  ],
  [z.record(z.string().max(1), z.int()), { long: 1 }, 'field.long: it has a name that cannot be used'],
  [z.map(z.string(), z.int()), 1, 'field: expected an object, not 1'],
  [z.custom(() => false), 1, 'field: it cannot be used'],
  [z.string().refine(() => false, 'says its own'), 'a', 'field: says its own'],
])('what is wrong with a field is said in plain words (%#)', (schema, value, expected) => {
  const message = messageFor(schema, value);
  expect(message).toBe(expected);
  expect(message).not.toMatch(RAW);
});

test('names of unknown fields are cut, and the first few stand for all', () => {
  const many = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`${i}`.repeat(200), 1]));
  const message = messageFor(z.strictObject({}), many);
  expect(message).toContain(' and 4 more');
  expect(message.length).toBeLessThan(700);
});
