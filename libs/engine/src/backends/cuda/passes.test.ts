import type { BatchPart, Want } from '../backend.ts';
import { numbering, passesOf, promptsOf, rowsOf, wantsOf } from './passes.ts';

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

test('the device goes on by itself where each sequence continues with its likeliest token, and has room for it', () => {
  interface Differing {
    readonly greedy?: boolean;
    readonly logprobs?: number;
    readonly want?: Want;
  }
  const row = (length: number, { greedy = true, logprobs, want = 'token' }: Differing = {}) =>
    ({
      tokens: Uint32Array.of(1),
      want,
      sequence: { length, pages: Int32Array.of(3, 4), sampler: { greedy }, sampling: { logprobs } },
    }) as unknown as BatchPart;
  const wants = (parts: BatchPart[], alone = true) => wantsOf(rowsOf(parts), 1000, alone);
  expect(wants([row(5), row(126)])).toEqual({ several: false, head: true, likeliest: true, continues: true });
  // No room: in the pages, or in the context.
  expect(wants([row(5), row(127)]).continues).toBe(false);
  expect(wantsOf(rowsOf([row(9)]), 10, true).continues).toBe(false);
  // Others are in the step, and will be in the next one.
  expect(wants([row(5)], false)).toMatchObject({ likeliest: true, continues: false });
  for (const other of [row(5, { greedy: false }), row(5, { logprobs: 1 }), row(5, { want: 'lastLogits' })]) {
    expect(wants([row(5), other])).toMatchObject({ likeliest: false, continues: false });
  }
  const two = { ...row(5), tokens: Uint32Array.of(1, 2) };
  expect(wants([two])).toMatchObject({ several: true, likeliest: false, continues: false });
});

test('a sequence has one number, and no other has it', () => {
  const numberOf = numbering();
  const [a, b] = [{}, {}];
  expect([numberOf(a), numberOf(b), numberOf(a)]).toEqual([1, 2, 1]);
});
