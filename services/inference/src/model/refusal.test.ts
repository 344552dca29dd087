import { refusalOf, type Refusal } from './refusal.ts';

test('what passes by itself is tried again, after pauses that double to ten minutes; another run begins anew', () => {
  let refusal: Refusal | undefined;
  const pauses: number[] = [];
  for (let i = 0; i < 12; i++) {
    refusal = refusalOf('a 1', i % 2 === 0 ? 'unavailable' : 'space', refusal, 1000);
    pauses.push(refusal.until - 1000);
  }
  const doubled = [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600];
  expect(pauses).toEqual(doubled.map((seconds) => seconds * 1000));
  expect(refusalOf('b 1', 'unavailable', refusal, 1000).until).toBe(3000);
});

test('a run that is damaged, or of a kind that cannot be served, is not tried again by itself', () => {
  for (const kind of ['store', 'unsupported', 'usage', 'internal'] as const) {
    expect(refusalOf('a 1', kind, undefined, 1000).until).toBe(Infinity);
  }
});
