import type { BatchPart, Want } from '../backend.ts';
import { passesOf, promptsOf } from './passes.ts';

const part = (tokens: number, want: Want) => ({ tokens: new Uint32Array(tokens), want }) as BatchPart;

test('every token is in one pass, in order, and no pass is larger than it may be', () => {
  const parts = [part(5, 'nothing'), part(1, 'token'), part(30, 'lastLogits')];
  const passes = passesOf(parts, 16);
  expect(passes.map((rows) => rows.length)).toEqual([16, 16, 4]);
  expect(passes.flat().map((row) => [parts.indexOf(row.part), row.index])).toEqual([
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

test('a sequence is of the kernels of prefill until a token of it is sampled, where there are such kernels', () => {
  const of = (promptTokens: number | undefined) =>
    ({ ...part(1, 'token'), sequence: { promptTokens } }) as BatchPart;
  const [prompt, other] = [of(undefined), of(7)];
  expect(promptsOf([prompt, other], true)).toEqual({ prompts: [prompt], others: [other] });
  expect(promptsOf([prompt, other], false)).toEqual({ prompts: [], others: [prompt, other] });
});
