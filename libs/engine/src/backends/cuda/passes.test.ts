import { createSampler } from '../../sampling/sampler.ts';
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

test('the device chooses tokens by itself, and goes on where each sequence continues with its own and has room for it', () => {
  interface Differing {
    readonly greedy?: boolean;
    readonly logprobs?: number;
    readonly want?: Want;
  }
  const row = (length: number, { greedy = true, logprobs, want = 'token' }: Differing = {}) =>
    ({
      tokens: Uint32Array.of(1),
      want,
      sequence: {
        length,
        pages: Int32Array.of(3, 4),
        sampler: createSampler({ temperature: greedy ? 0 : 1, seed: 1 }),
        sampling: { temperature: greedy ? 0 : 1, logprobs },
      },
    }) as unknown as BatchPart;
  const limits = { maxContext: 1000, vocab: 500 };
  const wants = (parts: BatchPart[], alone = true) => wantsOf(rowsOf(parts), limits, alone);
  const plain = { several: false, head: true, likeliest: true, continues: true, choices: undefined };
  expect(wants([row(5), row(126)])).toEqual(plain);
  // No room: in the pages, or in the context.
  expect(wants([row(5), row(127)]).continues).toBe(false);
  expect(wantsOf(rowsOf([row(9)]), { ...limits, maxContext: 10 }, true).continues).toBe(false);
  // Others are in the step, and will be in the next one.
  expect(wants([row(5)], false)).toMatchObject({ likeliest: true, continues: false });
  // What is sampled, or told of, is chosen there too; what the host wants to see is not.
  const sampled = wants([row(5), row(5, { greedy: false }), row(5, { logprobs: 3 })]);
  expect(sampled).toMatchObject({ likeliest: true, continues: true });
  expect(sampled.choices).toMatchObject([
    { temperature: 0, reports: false, topP: 1 },
    { temperature: 1, reports: false, random: createSampler({ temperature: 1, seed: 1 }).random!.state() },
    { temperature: 0, reports: true },
  ]);
  for (const other of [row(5, { logprobs: 33 }), row(5, { want: 'lastLogits' })]) {
    expect(wants([row(5), other])).toMatchObject({ likeliest: false, continues: false, choices: undefined });
  }
  const large = wantsOf(rowsOf([row(5, { greedy: false })]), { ...limits, vocab: 300_000 }, true);
  expect(large).toMatchObject({ likeliest: false, continues: false });
  const two = { ...row(5), tokens: Uint32Array.of(1, 2) };
  expect(wants([two])).toMatchObject({ several: true, likeliest: false, continues: false });
});

test('a sequence has one number, and no other has it', () => {
  const numberOf = numbering();
  const [a, b] = [{}, {}];
  expect([numberOf(a), numberOf(b), numberOf(a)]).toEqual([1, 2, 1]);
});
