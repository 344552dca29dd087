import type { BatchPart, Want } from '../backend.ts';
import { passesOf } from './passes.ts';

const part = (tokens: number, want: Want) => ({ tokens: new Uint32Array(tokens), want }) as BatchPart;

test('every token is in one pass, in order, and no pass is larger than it may be', () => {
  const passes = passesOf([part(5, 'nothing'), part(1, 'token'), part(30, 'lastLogits')], 16);
  expect(passes.map((rows) => rows.length)).toEqual([16, 16, 4]);
  expect(passes.flat().map((row) => [row.part, row.index])).toEqual([
    ...Array.from({ length: 5 }, (_, i) => [0, i]),
    [1, 0],
    ...Array.from({ length: 30 }, (_, i) => [2, i]),
  ]);
});

test('logits are wanted of the last token, of all, or of none', () => {
  const wanted = (want: Want) =>
    passesOf([part(3, want)], 16)
      .flat()
      .map((row) => row.wanted);
  expect(wanted('token')).toEqual([false, false, true]);
  expect(wanted('lastLogits')).toEqual([false, false, true]);
  expect(wanted('allLogits')).toEqual([true, true, true]);
  expect(wanted('nothing')).toEqual([false, false, false]);
});
