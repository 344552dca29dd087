/** What the reader makes of a file that was written is what it was written of. */
import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { thrownBy } from '@esparse/laws';
import { chatTemplateSource } from '../chat-template.ts';
import { openCheckpoint, type Checkpoint } from '../checkpoint.ts';
import { tensorToF32 } from '../convert.ts';
import { memoryFolder } from '../testing/memory-folder.ts';
import { openTokenizers } from '../testing/open-tokenizers.ts';
import { sameBits } from '../testing/same-bits.ts';
import { tempDir } from '../testing/temp-dir.ts';
import { byteLevelTokenizer, sentencePieceTokenizer, type TokenizerJson } from '../testing/tokenizers.ts';
import { tokenizerFiles, tokenizerFilesIn } from '../tokenizer-files.ts';
import { ggufFolder } from './folder.ts';
import { PRE_TOKENIZERS } from './pre-tokenizers.ts';
import { ggufFile, type GgufFile, type GgufOptions } from './write-gguf.ts';
import { tokenizerMetadata } from './write-tokenizer.ts';

const FIXTURES = path.join(import.meta.dirname, '../../../../test/fixtures/gguf');
const MODELS = readdirSync(FIXTURES, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

async function optionsOf(checkpoint: Checkpoint, file: string, name: string): Promise<GgufOptions> {
  return {
    architecture: name,
    config: checkpoint.config,
    tokenizer: await tokenizerFiles(file),
    tensors: [...checkpoint.tensors.values()].map(({ name: tensor, shape, dtype }) => ({
      name: tensor,
      shape,
      dtype,
      read: () => checkpoint.read(tensor),
    })),
  };
}

async function bytesOf({ parts }: GgufFile): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for (const { bytes, read } of parts) {
    const piece = await read();
    expect(piece.length).toBe(bytes);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

async function valuesOf(checkpoint: Checkpoint, name: string): Promise<Float32Array> {
  return tensorToF32(checkpoint.info(name).dtype, await checkpoint.read(name));
}

test.each(MODELS)('%s: config, tokenizer and weights come back', async (name) => {
  const source = path.join(FIXTURES, name, 'model.gguf');
  const checkpoint = await openCheckpoint(source);
  const options = await optionsOf(checkpoint, source, name);
  const file = path.join(tempDir(), 'model.gguf');
  await writeFile(file, await bytesOf(ggufFile(options)));
  const again = await openCheckpoint(file);
  expect(again.config).toEqual(checkpoint.config);
  expect([...again.tensors.keys()]).toEqual([...checkpoint.tensors.keys()]);
  for (const tensor of checkpoint.tensors.keys()) {
    expect(sameBits(await valuesOf(again, tensor), await valuesOf(checkpoint, tensor))).toBe(true);
  }
  await Promise.all([checkpoint.close(), again.close()]);
  const jsonOf = async (location: string) =>
    (await tokenizerFiles(location)).map(({ name: called, bytes }) => [
      called,
      JSON.parse(Buffer.from(bytes).toString()) as unknown,
    ]);
  const [found, expected] = [await jsonOf(file), await jsonOf(source)];
  expect(found.map(([called]) => called)).toEqual(expected.map(([called]) => called));
  for (const [i, [called, value]] of expected.entries()) {
    expect(found[i]).toEqual([called, value]);
  }
});

const TEXTS = ['a cab, ab  abc', 'two  spaces\n\nand\ttabs ', 'Zoë 日本 🙂', 'it is <s> here', ' leads'];

test('texts have the same tokens with a tokenizer that was written, and chats the same template', async () => {
  const files = [
    {
      name: 'tokenizer.json',
      bytes: Buffer.from(JSON.stringify({ ...byteLevelTokenizer(), truncation: null })),
    },
    { name: 'tokenizer_config.json', bytes: Buffer.from('{"bos_token":"<s>","chat_template":"{{ x }}"}') },
  ];
  // Two more rows than tokens, as embeddings have that were made longer.
  const vocab = 2 + Object.keys(byteLevelTokenizer().model.vocab).length;
  const file = ggufFile({ ...(await tinyLlama(vocab)), tokenizer: files });
  const folder = memoryFolder({ 'model.gguf': await bytesOf(file) });
  const read = await tokenizerFilesIn(ggufFolder(folder, 'model.gguf'));
  const tokenizers = openTokenizers();
  const [before, after] = [await tokenizers.of(files), await tokenizers.of(read)];
  for (const text of TEXTS) {
    expect(await after.encode(text, { bos: true })).toEqual(await before.encode(text, { bos: true }));
  }
  expect(after.addsBos).toBe(before.addsBos);
  expect(chatTemplateSource(read)).toBe('{{ x }}');
  tokenizers.close();
});

/** A LLaMA of one block, its weights all ones. */
async function tinyLlama(vocab: number): Promise<GgufOptions> {
  const source = path.join(FIXTURES, 'llama', 'model.gguf');
  const checkpoint = await openCheckpoint(source);
  const options = await optionsOf(checkpoint, source, 'llama');
  await checkpoint.close();
  const config = { ...checkpoint.config, num_hidden_layers: 1, vocab_size: vocab };
  const tensors = options.tensors
    .filter(({ name }) => !name.includes('.layers.1.'))
    .map((tensor) => {
      const shape = tensor.name.includes('embed') ? [vocab, tensor.shape[1]!] : tensor.shape;
      const length = shape.reduce((product, size) => product * size, 1);
      const bytes = new Uint8Array(new Float32Array(length).fill(1).buffer);
      return { ...tensor, shape, dtype: 'F32' as const, read: () => Promise.resolve(bytes) };
    });
  return { ...options, config, tensors };
}

test('every way of cutting texts that is read is written under its name', () => {
  for (const [name, { normalizer, pre_tokenizer, ignoreMerges }] of PRE_TOKENIZERS) {
    const json = byteLevelTokenizer();
    const document = {
      ...json,
      normalizer,
      pre_tokenizer,
      model: { ...json.model, ignore_merges: ignoreMerges },
    };
    const files = [{ name: 'tokenizer.json', bytes: Buffer.from(JSON.stringify(document)) }];
    const written = tokenizerMetadata({ files, config: {}, vocab: 400 }).get('tokenizer.ggml.pre');
    // Two names of one way: the first one is written.
    expect(written?.value).toBe(name === 'default' ? 'gpt-2' : name);
  }
});

test.each<[string, (json: TokenizerJson) => object, string, string]>([
  [
    'another model',
    (json) => ({ ...json, model: { ...json.model, type: 'Unigram' } }),
    'unsupported',
    '"Unigram"',
  ],
  [
    'another way of cutting texts',
    (json) => ({ ...json, pre_tokenizer: { type: 'Whitespace' } }),
    'unsupported',
    'cuts texts',
  ],
  ['merges that scores do not tell', sentencePieceTokenizer, 'unsupported', 'do not follow from scores'],
  ['more tokens than the model', (json) => json, 'checkpoint', 'the model 100 tokens'],
])('a tokenizer with %s is refused by name', (_, changed, kind, message) => {
  const bytes = Buffer.from(JSON.stringify(changed(byteLevelTokenizer())));
  const vocab = kind === 'checkpoint' ? 100 : 400;
  const files = [{ name: 'tokenizer.json', bytes }];
  expect(thrownBy(() => tokenizerMetadata({ files, config: {}, vocab }))).toMatchObject({
    kind,
    message: expect.stringContaining(message),
  });
});

test('a tensor that the architecture has no place for is refused by name', async () => {
  const options = await tinyLlama(64);
  const stranger = { ...options.tensors[0]!, name: 'model.layers.0.mlp.router.weight' };
  expect(() => ggufFile({ ...options, tensors: [stranger] })).toThrow('mlp.router.weight has no place');
});
