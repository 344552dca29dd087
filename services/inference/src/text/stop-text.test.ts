import fc from 'fast-check';
import { createStopText } from './stop-text.ts';

function cut(pieces: readonly string[], stops: readonly string[]): string {
  const stopText = createStopText(stops);
  let given = '';
  for (const piece of pieces) {
    const { text, stopped } = stopText.push(piece);
    given += text;
    if (stopped) return given;
  }
  return given + stopText.end();
}

/** Character by character: before the stop string that the first prefix to end in one ends in. */
function reference(text: string, stops: readonly string[]): string {
  for (let end = 0; end <= text.length; end++) {
    const found = stops.filter((stop) => text.slice(0, end).endsWith(stop)).map((stop) => stop.length);
    if (found.length > 0) return text.slice(0, end - Math.max(...found));
  }
  return text;
}

const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 5 });
const stops = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 }), {
  maxLength: 4,
});

test('a text is cut exactly before the first stop string, in whatever pieces it comes', () => {
  fc.assert(
    fc.property(fc.array(letters, { maxLength: 10 }), stops, (pieces, ends) => {
      expect(cut(pieces, ends)).toBe(reference(pieces.join(''), ends));
    }),
    { seed: 1, numRuns: 2000 },
  );
});

test('text is held back only while it could still become a stop string', () => {
  const stopText = createStopText(['</s>']);
  expect(stopText.push('a <')).toEqual({ text: 'a ', stopped: false });
  expect(stopText.push('b <')).toEqual({ text: '<b ', stopped: false });
  expect(stopText.push('/')).toEqual({ text: '', stopped: false });
  expect(stopText.end()).toBe('</');
});
