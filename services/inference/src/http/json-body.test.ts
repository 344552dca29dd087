import fc from 'fast-check';
import { parseJsonBody } from './json-body.ts';

const parse = (text: string) => parseJsonBody(Buffer.from(text));

test('what is JSON of a reasonable size is parsed as JSON is', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 5 }), (text) => {
      fc.pre(!text.includes('__proto__'));
      expect(parse(text)).toEqual(JSON.parse(text));
    }),
    { seed: 1 },
  );
  expect(parse(JSON.stringify({ prompt: '[[[[,,::"\\'.repeat(50_000) }))).toHaveProperty('prompt');
});

test.each([
  ['nothing', '', /empty/],
  ['half an object', '{"a":', /not JSON/],
  ['a string that never ends', '{"a":"\\', /not JSON/],
  ['a thousand levels', `${'['.repeat(1000)}${']'.repeat(1000)}`, /nested/],
  ['a hundred thousand members', `{${'"a":1,'.repeat(100_000)}"b":1}`, /too many/],
  ['two hundred thousand entries', `[${'1,'.repeat(200_000)}1]`, /too many/],
  ['a key that changes prototypes', '{"__proto__":{}}', /as it is used here/],
])('%s is refused', (_, text, words) => {
  expect(() => parse(text)).toThrow(
    expect.objectContaining({ kind: 'invalid', message: expect.stringMatching(words) }),
  );
});

test('bytes that are not UTF-8 are refused', () => {
  expect(() => parseJsonBody(Buffer.from([0x22, 0xff, 0x22]))).toThrow(/JSON/);
});
