import fc from 'fast-check';
import { canonicalJson, parseJsonObject } from './json.ts';

const parse = (text: string) => parseJsonObject(new TextEncoder().encode(text), 'it');

test('any JSON object that JSON.stringify writes is read back as it was', () => {
  const objects = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 5 }));
  fc.assert(
    fc.property(objects, (value) => {
      const text = JSON.stringify(value, null, 1);
      expect(parse(text)).toEqual(JSON.parse(text));
    }),
    { seed: 1 },
  );
});

test.each([
  '{"a":1,"b":{"a":2},"a":3}',
  '{"x":[{"k":1,"k":2}]}',
  String.raw`{"a\"b":1,"a\u0022b":2}`,
  String.raw`{"e":"\\","n":{"a":1,"\u0061":2}}`,
])('a key given twice in one object is refused: %s', (text) => {
  expect(() => parse(text)).toThrow(/it gives the key .* twice/);
});

test('equal keys in different objects, and text that looks like keys, are no repetition', () => {
  expect(parse('{"a":{"a":1},"b":[{"a":1},{"a":1}],"c":"{\\"a\\":1,","d":["a","a"]}')).toMatchObject({
    b: [{ a: 1 }, { a: 1 }],
  });
});

test('what is not an object, not JSON, not UTF-8 or nested too deep is refused by name', () => {
  expect(() => parse('[1]')).toThrow('it is not a JSON object');
  expect(() => parse('{"a":')).toThrow('it is not JSON');
  expect(() => parseJsonObject(Uint8Array.of(0x7b, 0xff, 0x7d), 'it')).toThrow('it is not JSON');
  expect(() => parse(`{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`)).toThrow('nested deeper than 64');
});

test('the canonical form does not depend on the order of keys', () => {
  expect(canonicalJson({ b: [1, { d: null, c: 'é' }], a: true })).toBe(
    '{"a":true,"b":[1,{"c":"é","d":null}]}',
  );
});

test('canonical JSON is JSON', () => {
  const value = { b: [1, null, { d: 'x"y', c: true }], a: 0.5 };
  expect(canonicalJson({ ...value, c: undefined })).toBe(canonicalJson(value));
  expect(JSON.parse(canonicalJson(value))).toEqual(value);
  expect(canonicalJson(value)).toBe('{"a":0.5,"b":[1,null,{"c":true,"d":"x\\"y"}]}');
});
