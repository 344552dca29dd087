import { cp, mkdir, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { writeCheckpoint } from '@esparse/checkpoint';
import { EXIT_TRY_AGAIN } from '@esparse/errors';
import { createOrOpenStore } from '@esparse/store';
import { esparse } from '../support/esparse.ts';
import { scratchFolder } from '../support/folders.ts';
import { writeRandomLlama } from '../support/random-model.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_MODEL } from '../support/repository.ts';

const at = scratchFolder();

/** A copy of the example model that a test may damage. */
async function modelCopy(name: string): Promise<string> {
  const copy = at(name);
  await cp(EXAMPLE_MODEL, copy, { recursive: true });
  return copy;
}

async function editConfig(model: string, change: Record<string, unknown>): Promise<void> {
  const file = path.join(model, 'config.json');
  const config = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
  await writeFile(file, JSON.stringify({ ...config, ...change }));
}

async function editHeader(model: string, edit: (header: Record<string, Entry>) => void): Promise<void> {
  const file = path.join(model, 'model.safetensors');
  const bytes = await readFile(file);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Record<string, Entry>;
  edit(header);
  const text = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  await writeFile(file, Buffer.concat([size, text, bytes.subarray(8 + length)]));
}

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** Prunes what must be refused: this exit code, a message with these words, and no run begun in the store. */
async function refused(
  words: RegExp,
  options: { model?: string; calibration?: string; store?: string; args?: string[]; code?: number },
) {
  const {
    model = EXAMPLE_MODEL,
    calibration = EXAMPLE_CALIBRATION,
    store = at('store'),
    args = [],
    code = 2,
  } = options;
  const outcome = await esparse(
    'prune',
    '--model',
    model,
    '--calibration',
    calibration,
    '--store',
    store,
    '--samples',
    '2',
    '--seqlen',
    '32',
    ...args,
  );
  expect(outcome.stderr).toMatch(words);
  expect(outcome.code).toBe(code);
  return outcome;
}

const Q = 'model.layers.1.self_attn.q_proj.weight';

test.each<[string, (model: string) => Promise<void>, RegExp]>([
  ['a folder without config.json', (m) => rm(path.join(m, 'config.json')), /config\.json/],
  ['a checkpoint without weights', (m) => rm(path.join(m, 'model.safetensors')), /safetensors/],
  ['a checkpoint without a tokenizer', (m) => rm(path.join(m, 'tokenizer.json')), /tokenizer\.json/],
  ['a truncated file', (m) => truncate(path.join(m, 'model.safetensors'), 3_000_000), /model\.safetensors/],
  [
    'a header whose length is beyond any limit',
    async (m) => {
      const file = await open(path.join(m, 'model.safetensors'), 'r+');
      await file.write(Buffer.from('ffffffffffffff7f', 'hex'), 0, 8, 0);
      await file.close();
    },
    /header/,
  ],
  ['offsets outside the file', (m) => editHeader(m, (h) => (h[Q]!.data_offsets[1] += 1e9)), /q_proj/],
  [
    'tensors that overlap',
    (m) => editHeader(m, (h) => (h[Q]!.data_offsets = h['model.norm.weight']!.data_offsets)),
    /q_proj|model\.norm/,
  ],
  ['a dtype that is unknown', (m) => editHeader(m, (h) => (h[Q]!.dtype = 'BF17')), /BF17/],
  [
    'a shape that contradicts config.json',
    (m) => editConfig(m, { intermediate_size: 500 }),
    /(gate|up|down)_proj.*512|512.*500/,
  ],
  ['a missing tensor', (m) => editConfig(m, { num_hidden_layers: 5 }), /model\.layers\.4/],
  [
    'an unknown architecture',
    (m) => editConfig(m, { architectures: ['BloomForCausalLM'] }),
    /BloomForCausalLM[\s\S]*LlamaForCausalLM/,
  ],
  [
    'an index that names a shard that is missing',
    async (m) => {
      await rm(path.join(m, 'model.safetensors'));
      const map = { weight_map: { 'model.norm.weight': 'model-00001-of-00002.safetensors' } };
      await writeFile(path.join(m, 'model.safetensors.index.json'), JSON.stringify(map));
    },
    /model-00001-of-00002\.safetensors/,
  ],
])('%s is refused by name', async (name, damage, words) => {
  const model = await modelCopy(name.replaceAll(/\W+/g, '-'));
  await damage(model);
  await refused(words, { model });
});

test('a text shorter than one window is refused with the tokens found and needed', async () => {
  await writeFile(at('short.txt'), 'Once upon a time.');
  await refused(/tokens.*32|32.*tokens/, { calibration: at('short.txt') });
});

test('a text that is missing or not UTF-8 is refused by name', async () => {
  await refused(/none\.txt/, { calibration: at('none.txt') });
  await writeFile(at('latin1.txt'), Buffer.from([0x63, 0xe9, 0x0a]));
  await refused(/latin1\.txt/, { calibration: at('latin1.txt') });
});

test('a JSONL line without text is refused by its number', async () => {
  await writeFile(at('bad.jsonl'), '{"text":"a"}\n{"txt":"b"}\n');
  await refused(/bad\.jsonl.*2/, { calibration: at('bad.jsonl') });
});

test('channels that the group does not divide are refused by linear, and skipped where asked', async () => {
  const model = at('odd');
  await writeRandomLlama(model, { hidden: 64, intermediate: 100, blocks: 1, heads: 2, kvHeads: 1 });
  const args = ['--pattern', '4:8'];
  await refused(/down_proj.*100/, { model, args });
  const skipping = await esparse(
    'prune',
    '--model',
    model,
    '--calibration',
    EXAMPLE_CALIBRATION,
    '--store',
    at('skipped'),
    '--samples',
    '2',
    '--seqlen',
    '32',
    ...args,
    '--skip-indivisible',
  );
  expect(skipping.code).toBe(0);
  const { stdout } = await esparse('inspect', '--store', at('skipped'));
  expect(stdout).toMatch(/0\.down_proj +dense/);
  await expect(
    esparse('eval', '--store', at('skipped'), '--text', EXAMPLE_CALIBRATION, '--seqlen', '64'),
  ).resolves.toMatchObject({ code: 0 });
});

test('NaN in the activations names block and tap, and the block is not committed', async () => {
  const model = at('nan');
  const healthy = at('healthy');
  await writeRandomLlama(healthy, { hidden: 32, intermediate: 64, blocks: 2, heads: 2, kvHeads: 1 });
  await cp(healthy, model, { recursive: true });
  await editTensor(model, 'model.layers.1.post_attention_layernorm.weight');
  await refused(/block 1, tap mlp_in/, { model, store: at('nan-store') });
  const { stdout } = await esparse('inspect', '--store', at('nan-store'), '--json');
  const { blocks } = JSON.parse(stdout) as { blocks: { committed: boolean }[] };
  expect(blocks.map(({ committed }) => committed)).toEqual([true, false]);
});

/** Makes the first element of a tensor NaN. */
async function editTensor(model: string, name: string): Promise<void> {
  const file = path.join(model, 'model.safetensors');
  const bytes = await readFile(file);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Record<string, Entry>;
  bytes.writeUInt16LE(0x7fc0, 8 + length + header[name]!.data_offsets[0]);
  await writeFile(file, bytes);
}

test('a store of a newer format, a folder that is no store, and a store being written are refused', async () => {
  await mkdir(at('newer'));
  await writeFile(
    at('newer', 'zarr.json'),
    JSON.stringify({ zarr_format: 3, node_type: 'group', attributes: { esparse: { format: 99 } } }),
  );
  await refused(/format 99|99/, { store: at('newer') });

  await mkdir(at('other'));
  await writeFile(at('other', 'thesis.tex'), 'years of work');
  await refused(/not empty|not an esparse store/, { store: at('other') });

  const writer = await (await createOrOpenStore(at('busy'))).beginRun('0123456789abcdef', {});
  const { stderr } = await refused(/writ/, { store: at('busy'), code: EXIT_TRY_AGAIN });
  expect(stderr).toContain(String(process.pid));
  await writer.close();
});

test('options out of range are refused with what was expected', async () => {
  await refused(/pattern/, { args: ['--pattern', '5:4'] });
  await refused(/samples/, { args: ['--samples', 'many'] });
  await refused(/range is "all"/, { args: ['--entropy-range', 'all'] });
  await refused(/choose one of e-sparse, .*magnitude/, { args: ['--pipeline', 'e-sprase'] });
  await refused(/HOST:PORT/, { args: ['--worker', 'nowhere'] });
  await refused(/1024/, { args: ['--seqlen', '4096'] });
  const missing = await esparse('prune', '--store', at('store'));
  expect(missing).toMatchObject({ code: 2, stderr: expect.stringContaining('--model') });
});

test('a worker that cannot be reached is named', async () => {
  await refused(/127\.0\.0\.1:1/, { args: ['--worker', '127.0.0.1:1'], code: EXIT_TRY_AGAIN });
});

test('eval refuses both sources, none, and a run that does not exist', async () => {
  const text = ['--text', EXAMPLE_CALIBRATION];
  await expect(esparse('eval', ...text)).resolves.toMatchObject({ code: 2 });
  await expect(esparse('eval', ...text, '--model', 'a', '--store', 'b')).resolves.toMatchObject({ code: 2 });
  await expect(esparse('eval', ...text, '--store', at('nowhere'))).resolves.toMatchObject({ code: 2 });
});

test('a checkpoint of other tensors than its config.json names is refused', async () => {
  const tensors = [{ name: 'only', shape: [2], dtype: 'BF16' as const, data: () => new Uint8Array(4) }];
  await writeCheckpoint(
    at('empty'),
    JSON.parse(await readFile(path.join(EXAMPLE_MODEL, 'config.json'), 'utf8')) as Record<string, unknown>,
    tensors,
  );
  await refused(/embed_tokens/, { model: at('empty') });
});

test('help names every option with its default and environment variable', async () => {
  const { stdout, code } = await esparse('prune', '--help');
  expect(code).toBe(0);
  for (const variable of ['ESPARSE_MODEL', 'ESPARSE_PATTERN', 'ESPARSE_SEED', 'ESPARSE_WORKER'])
    expect(stdout).toContain(variable);
  expect(stdout).toContain('default: 2:4');
});

test('a tokenizer that crashes its library, and a text that it has no token for, end a command with 2', async () => {
  const model = await modelCopy('bad-tokenizer');
  const file = path.join(model, 'tokenizer.json');
  const tokenizer = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
  const catastrophic = { Regex: String.raw`(?=(?:\p{L}|\p{Ll})+\s\d)\w+|\w+` };
  const pre_tokenizer = { type: 'Split', pattern: catastrophic, behavior: 'Isolated', invert: false };
  await writeFile(file, JSON.stringify({ ...tokenizer, pre_tokenizer }));
  await refused(/tokenizer\.json cannot be used: .*retry-limit-in-match/, { model });
  const unigram = { type: 'Unigram', unk_id: null, byte_fallback: false, vocab: [['a', -1]] };
  await writeFile(file, JSON.stringify({ ...tokenizer, pre_tokenizer: null, model: unigram }));
  await refused(/the tokenizer cannot take the text: .*unk_id/, { model });
});
