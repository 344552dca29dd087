import type { TokenText } from '@esparse/checkpoint';
import { choicesOf, type GenerationInput } from './choice.ts';

/** Token n is the letter n of the alphabet. */
const letters: TokenText = {
  bytes: (id) => Uint8Array.of(97 + id),
  spelling: (id) => letters.bytes(id),
  stream: () => ({ push: (id) => String.fromCharCode(97 + id), end: () => '' }),
};
const model = { id: 3, text: { tokenText: letters, endTokens: [9] } as never };

const choices = (input: Partial<GenerationInput> = {}) =>
  choicesOf({ prompts: [Uint32Array.of(1)], n: 1, maxTokens: 4, sampling: {}, stops: [], ...input }, model);

test('there are n choices for each prompt, numbered in its order, each with a job and a seed of its own', () => {
  const prompts = [Uint32Array.of(1), Uint32Array.of(2)];
  const all = choices({ prompts, n: 2, sampling: { topK: 5, seed: 2 ** 32 - 1 } });
  expect(all.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
  expect(all.map(({ job }) => [job.prompt[0], job.sampling.seed])).toEqual([
    [1, 2 ** 32 - 1],
    [1, 0],
    [2, 2 ** 32 - 1],
    [2, 0],
  ]);
  expect(new Set(all.map(({ job }) => job.id)).size).toBe(4);
  expect(all[0]!.job).toMatchObject({ model: 3, maxTokens: 4, endTokens: [9], sampling: { topK: 5 } });
});

test('a seed below 0 counts from the end of the 32 bits, and without one the seeds differ', () => {
  expect(choices({ sampling: { seed: -1 } })[0]!.job.sampling.seed).toBe(2 ** 32 - 1);
  expect(new Set(choices({ n: 8 }).map(({ job }) => job.sampling.seed)).size).toBe(8);
});

test('a text ends with its job, and what a stop string held back comes with the end', () => {
  const [choice] = choices({ stops: ['bc'] });
  expect(choice!.take({ job: 0, token: 0 })).toEqual({ index: 0, text: 'a', tokens: [] });
  expect(choice!.take({ job: 0, token: 1 })).toEqual({ index: 0, text: '', tokens: [] });
  expect(choice!.take({ job: 0, token: 3, finish: 'length' })).toMatchObject({
    text: 'bd',
    finish: 'length',
  });
});

test('a text ends at a stop string, whatever its job says', () => {
  const [choice] = choices({ stops: ['bc'] });
  choice!.take({ job: 0, token: 1 });
  expect(choice!.take({ job: 0, token: 2, finish: 'length' })).toMatchObject({ text: '', finish: 'stop' });
});

test('the token that ends a text is no part of it', () => {
  expect(choices()[0]!.take({ job: 0, finish: 'stop' })).toEqual({
    index: 0,
    text: '',
    tokens: [],
    finish: 'stop',
  });
});
