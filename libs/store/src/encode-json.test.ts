import fc from 'fast-check';
import { encodeJson } from './encode-json.ts';

test('the bytes do not depend on the order in which members were set, and read back as the same value', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = encodeJson(value, 'value');
      expect(encodeJson(reversed(value), 'value')).toBe(text);
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
    { seed: 3, numRuns: 300 },
  );
});

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).map(([name, member]) => [name, reversed(member)] as const);
  return Object.fromEntries(members.reverse());
}

test.each([
  ['NaN', { a: [Number.NaN] }, 'value.a[0]'],
  ['infinity', Number.POSITIVE_INFINITY, 'value'],
  ['a typed array', { a: new Float32Array(2) }, 'value.a'],
  ['a map', new Map(), 'value'],
  ['a function', { f: () => 1 }, 'value.f'],
  ['a big integer', 1n, 'value'],
])('%s is refused, naming where it is', (_name, value, place) => {
  expect(() => encodeJson(value, 'value')).toThrow(
    expect.objectContaining({
      kind: 'usage',
      message: expect.stringContaining(`${place} cannot be stored`),
    }) as Error,
  );
});

test('a nest without end is refused', () => {
  const value: Record<string, unknown> = {};
  value.self = value;
  expect(() => encodeJson(value, 'value')).toThrow(expect.objectContaining({ kind: 'usage' }) as Error);
});
