import fc from 'fast-check';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { MAX_UNCUT_CHARACTERS } from './tokenizer.ts';
import { libraryTokenizer, openTokenizers } from './testing/open-tokenizers.ts';
import { sameBits } from './testing/same-bits.ts';
import { tempDir } from './testing/temp-dir.ts';
import { byteLevelTokenizer, sentencePieceTokenizer } from './testing/tokenizers.ts';

const tokenizers = openTokenizers();
afterEach(tokenizers.close);

function write(files: Record<string, unknown>): string {
  const directory = tempDir();
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(
      path.join(directory, name),
      typeof content === 'string' ? content : JSON.stringify(content),
    );
  }
  return directory;
}

test('decoding gives back what was encoded, at any length: truncation in the file is ignored', async () => {
  const tokenizer = await tokenizers.at(write({ 'tokenizer.json': byteLevelTokenizer() }));
  const library = libraryTokenizer(byteLevelTokenizer());
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'grapheme', maxLength: 60 }), async (text) => {
      const ids = await tokenizer.encode(text, { bos: false });
      expect(await library.decode([...ids], false)).toBe(text);
    }),
    { seed: 7, numRuns: 200 },
  );
});

test('a text longer than a piece has the tokens of the whole', async () => {
  const json = byteLevelTokenizer();
  const tokenizer = await tokenizers.at(write({ 'tokenizer.json': json }));
  const text = 'a b cab '.repeat(40_000);
  const expected = (await libraryTokenizer(json).encode(text, null, { addSpecialTokens: false })).getIds();
  expect(sameBits(await tokenizer.encode(text, { bos: false }), Uint32Array.from(expected))).toBe(true);
});

test('BOS is added only when asked for', async () => {
  const files = {
    'tokenizer.json': byteLevelTokenizer(),
    'tokenizer_config.json': { bos_token: { content: '<s>' } },
  };
  const tokenizer = await tokenizers.at(write(files));
  expect(tokenizer.bosId).toBe(0);
  const plain = await tokenizer.encode('ab', { bos: false });
  const ids = await tokenizer.encode('ab', { bos: true });
  expect([...ids]).toEqual([0, ...plain]);
  expect([...(await tokenizer.encode('', { bos: true }))]).toEqual([0]);
});

test.each<[string, unknown, unknown, number | undefined]>([
  ['the named token goes before the id', { bos_token: '<s>' }, { bos_token_id: 5 }, 0],
  ['the id counts where no token is named', { bos_token: null }, { bos_token_id: 5 }, 5],
  ['the id counts where the named token is unknown', { bos_token: '<x>' }, { bos_token_id: 5 }, 5],
  ['an id beyond the vocabulary is none', {}, { bos_token_id: 99_999 }, undefined],
  ['an id that is no id is none', {}, { bos_token_id: -1 }, undefined],
  ['null is none', {}, { bos_token_id: null }, undefined],
])('BOS: %s', async (_, settings, config, expected) => {
  const files = {
    'tokenizer.json': byteLevelTokenizer(),
    'tokenizer_config.json': settings,
    'config.json': config,
  };
  const tokenizer = await tokenizers.at(write(files));
  expect(tokenizer.bosId).toBe(expected);
  if (expected === undefined) {
    await expect(tokenizer.encode('a', { bos: true })).rejects.toMatchObject({ kind: 'checkpoint' });
  }
});

test('a SentencePiece tokenizer puts no special token first by itself', async () => {
  const withTemplate = {
    ...sentencePieceTokenizer(),
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [],
      special_tokens: { '<s>': { id: '<s>', ids: [0], tokens: ['<s>'] } },
    },
  };
  const tokenizer = await tokenizers.at(write({ 'tokenizer.json': withTemplate }));
  expect([...(await tokenizer.encode('ab cab', { bos: false }))]).not.toContain(0);
});

test('a text that can be neither cut nor held is refused', async () => {
  const tokenizer = await tokenizers.at(write({ 'tokenizer.json': byteLevelTokenizer() }));
  const text = '.'.repeat(MAX_UNCUT_CHARACTERS + 1);
  await expect(tokenizer.encode(text, { bos: false })).rejects.toMatchObject({
    kind: 'text',
    message: expect.stringContaining(`${MAX_UNCUT_CHARACTERS + 1} characters`),
  });
});

test('tokenizing can be cancelled', async () => {
  const tokenizer = await tokenizers.at(write({ 'tokenizer.json': byteLevelTokenizer() }));
  const work = tokenizer.encode('a b', { bos: false, signal: AbortSignal.abort() });
  await expect(work).rejects.toMatchObject({ kind: 'cancelled' });
});

test('a missing or useless tokenizer.json is an error that names it', async () => {
  const directory = write({});
  await expect(tokenizers.at(directory)).rejects.toMatchObject({
    kind: 'checkpoint',
    message: `${directory} has no tokenizer.json`,
  });
  for (const content of ['{}', '[]', 'x', { ...byteLevelTokenizer(), model: { type: 'Magic' } }]) {
    await expect(tokenizers.at(write({ 'tokenizer.json': content }))).rejects.toMatchObject({
      kind: 'checkpoint',
      message: expect.stringContaining('tokenizer.json'),
    });
  }
});

test('a prompt begins with BOS where the settings say so, else where the post-processor puts it', async () => {
  const processor = {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 0 } }],
    special_tokens: { '<s>': { id: '<s>', ids: [0], tokens: ['<s>'] } },
  };
  const adds = async (settings: unknown, post_processor: unknown) => {
    const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
    const files = [
      { name: 'tokenizer.json', bytes: encode({ ...byteLevelTokenizer(), post_processor }) },
      { name: 'tokenizer_config.json', bytes: encode(settings) },
    ];
    return (await tokenizers.of(files)).addsBos;
  };
  expect(await adds({ bos_token: '<s>' }, null)).toBe(false);
  expect(await adds({ bos_token: '<s>', add_bos_token: true }, null)).toBe(true);
  expect(await adds({ bos_token: '<s>' }, processor)).toBe(true);
  expect(await adds({ bos_token: '<s>' }, { type: 'Sequence', processors: [processor] })).toBe(true);
  expect(await adds({ bos_token: '<s>', add_bos_token: false }, processor)).toBe(false);
  expect(await adds({ add_bos_token: true }, null)).toBe(false);
});
