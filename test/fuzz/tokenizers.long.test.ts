import { fuzz } from './fuzz.ts';

jest.setTimeout(20 * 60_000);

test('a tokenizer that is damaged or hostile tokenizes a text, or tokenizer or text are refused by name', async () => {
  expect(await fuzz('tokenizers', 300)).toEqual([]);
});
