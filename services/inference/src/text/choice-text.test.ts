import type { TokenText } from '@esparse/checkpoint';
import { ChoiceText } from './choice-text.ts';

/** Token n is the n-th of these; 'é' comes in two halves. */
const SPELLINGS = ['ab', 'c', '\n', 'd'].map((text) => new TextEncoder().encode(text));
const HALVES = [Uint8Array.of(0xc3), Uint8Array.of(0xa9)];

const table: TokenText = {
  bytes: (id) => [...SPELLINGS, ...HALVES][id] ?? new Uint8Array(0),
  spelling: (id) => table.bytes(id),
  stream() {
    const decoder = new TextDecoder();
    return { push: (id) => decoder.decode(table.bytes(id), { stream: true }), end: () => decoder.decode() };
  },
};

const logprob = { logprob: -1, ids: [], logprobs: [] };
const offsets = (tokens: readonly { token: number; offset: number }[]) =>
  tokens.map(({ token, offset }) => [token, offset]);

test('each token is reported with the text that it begins, at its offset', () => {
  const choice = new ChoiceText(table, []);
  const first = choice.push(0, logprob);
  expect(first).toMatchObject({ text: 'ab', stopped: false });
  expect(offsets(first.tokens)).toEqual([[0, 0]]);
  expect(choice.push(4, logprob)).toMatchObject({ text: '', tokens: [] });
  const whole = choice.push(5, logprob);
  expect(whole.text).toBe('é');
  expect(offsets(whole.tokens)).toEqual([
    [4, 2],
    [5, 2],
  ]);
});

test('tokens of a stop string are not reported, and one that is cut is', () => {
  const choice = new ChoiceText(table, ['b\n']);
  expect(choice.push(0, logprob)).toMatchObject({ text: 'a', tokens: [{ token: 0 }] });
  expect(choice.push(2, logprob)).toEqual({ text: '', tokens: [], stopped: true });
});

test('at the end comes what was held back, and half a character as U+FFFD', () => {
  const choice = new ChoiceText(table, ['cd']);
  expect(choice.push(1, logprob)).toMatchObject({ text: '', tokens: [] });
  expect(choice.push(4, logprob)).toMatchObject({ text: '', tokens: [] });
  const end = choice.end();
  expect(end.text).toBe('c�');
  expect(offsets(end.tokens)).toEqual([
    [1, 0],
    [4, 1],
  ]);
});

test('without log-probabilities no tokens are reported', () => {
  const choice = new ChoiceText(table, []);
  expect(choice.push(0, undefined)).toEqual({ text: 'ab', tokens: [], stopped: false });
});
