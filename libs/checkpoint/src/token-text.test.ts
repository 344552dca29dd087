import fc from 'fast-check';
import { makeTokenText } from './token-text.ts';
import { libraryTokenizer } from './testing/open-tokenizers.ts';
import { byteLevelTokenizer, sentencePieceTokenizer } from './testing/tokenizers.ts';

const files = (json: unknown) => [
  { name: 'tokenizer.json', bytes: new TextEncoder().encode(JSON.stringify(json)) },
];

function streamed(json: unknown, ids: Iterable<number>): string {
  const stream = makeTokenText(files(json), 'here').stream();
  let text = '';
  for (const id of ids) text += stream.push(id);
  return text + stream.end();
}

test('tokens streamed one by one give the text that they were made of, characters cut between tokens included', async () => {
  const json = byteLevelTokenizer();
  const tokenizer = libraryTokenizer(json);
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme', maxLength: 40 }), async (text) => {
      expect(streamed(json, (await tokenizer.encode(text)).getIds())).toBe(text);
    }),
    { seed: 3, numRuns: 200 },
  );
});

test('any ids, half characters too, give what the tokenizer itself decodes', async () => {
  const json = byteLevelTokenizer();
  const tokenizer = libraryTokenizer(json);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(300), { maxLength: 20 }), async (ids) => {
      expect(streamed(json, ids)).toBe(await tokenizer.decode(ids, true));
    }),
    { seed: 5, numRuns: 200 },
  );
});

test('what is given out never ends inside a character', () => {
  const json = byteLevelTokenizer();
  const text = makeTokenText(files(json), 'here');
  const vocab = json.model.vocab;
  const stream = text.stream();
  // é is 0xC3 0xA9, spelled Ã and ©.
  expect(stream.push(vocab['Ã']!)).toBe('');
  expect(stream.push(vocab['©']!)).toBe('é');
  expect(stream.push(vocab['Ã']!)).toBe('');
  expect(stream.end()).toBe('�');
  expect([...text.bytes(vocab['Ã']!)]).toEqual([0xc3]);
});

test('a SentencePiece token keeps its space, as it continues a prompt', async () => {
  const json = sentencePieceTokenizer();
  const ids = (await libraryTokenizer(json).encode('a b')).getIds();
  expect(streamed(json, ids)).toBe(' a b');
});

test('special tokens and ids beyond the vocabulary stand for nothing', () => {
  const json = byteLevelTokenizer();
  expect(streamed(json, [0, 5_000_000, 4_294_967_295])).toBe('');
  const text = makeTokenText(files(json), 'here');
  expect(new TextDecoder().decode(text.spelling(0))).toBe('<s>');
  expect(text.spelling(5)).toEqual(text.bytes(5));
});

test('a decoder that is not token by token is refused by name', () => {
  const json = { ...byteLevelTokenizer(), decoder: { type: 'WordPiece' } };
  expect(() => makeTokenText(files(json), 'here')).toThrow(/WordPiece/);
  expect(() => makeTokenText([], 'here')).toThrow(/tokenizer\.json/);
});
