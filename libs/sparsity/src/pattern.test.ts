import fc from 'fast-check';
import { formatPattern, parsePattern, requireDivisible } from './index.ts';

test('a pattern is read as it is written, keeping the first number of every second', () => {
  expect(parsePattern('2:4')).toEqual({ keep: 2, group: 4 });
  for (let group = 2; group <= 16; group++) {
    for (let keep = 1; keep < group; keep++) {
      expect(parsePattern(formatPattern({ keep, group }))).toEqual({ keep, group });
    }
  }
});

test('what keeps all or nothing, is too wide or is no pattern is refused by its text', () => {
  for (const text of ['4:4', '0:4', '4:2', '1:1', '2:17', '2/4', '', '2:4:8', '-1:4', '1.5:4', 'NaN:4']) {
    expect(() => parsePattern(text)).toThrow(`"${text}"`);
  }
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        const { keep, group } = parsePattern(text);
        expect(keep >= 1 && keep < group && group <= 16).toBe(true);
      } catch (error) {
        expect(error).toMatchObject({ kind: 'usage' });
      }
    }),
    { seed: 2310 },
  );
});

test.each([
  ['16:32', /"16:32".*groups go to 16/],
  ['2:100', /groups go to 16/],
  ['4:4', /not none and not all/],
  ['0:4', /not none and not all/],
])('the limit that %s breaks is named', (text, limit) => {
  expect(() => parsePattern(text)).toThrow(limit);
});

test('a linear whose inputs are no multiple of the group is refused by name', () => {
  requireDivisible('mlp.down_proj', 8, { keep: 2, group: 4 });
  let caught: unknown;
  try {
    requireDivisible('mlp.down_proj', 10, { keep: 2, group: 4 });
  } catch (error) {
    caught = error;
  }
  expect(caught).toMatchObject({
    kind: 'unsupported',
    message: 'mlp.down_proj has 10 inputs, not a multiple of the 4 of pattern 2:4',
    hint: expect.stringContaining('--skip-indivisible'),
  });
});
