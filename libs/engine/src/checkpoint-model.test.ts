import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { writeCheckpoint, type TensorDtype } from '@esparse/checkpoint';
import { narrow, widen } from '@esparse/kernels';
import { relativeError } from '@esparse/laws';
import { describeModel, tensorsOfBlock } from '@esparse/model';
import { openEngine, type EngineOptions } from './index.ts';
import { checkpointModel, randomModel, writeTestStore } from './testing/test-store.ts';

const FIXTURES = path.join(import.meta.dirname, '../../../test/fixtures/families');
const TOKENS = Uint32Array.of(3, 1, 4, 1, 5, 9, 2, 6);

let home: string;
beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'esparse-checkpoint-'));
});
afterAll(() => rm(home, { recursive: true, force: true }));

const open = (options: EngineOptions) => openEngine({ kvBytes: 1 << 22, ...options });

/** The logits after each token. */
async function logitsOf(options: EngineOptions): Promise<number[]> {
  const engine = await open(options);
  const part = { sequence: engine.reserve(TOKENS.length)!, tokens: TOKENS, want: 'allLogits' } as const;
  const [logits] = await engine.step([part]);
  const copy = [...logits];
  await engine.close();
  return copy;
}

/** The random model as a checkpoint of some type, or of several by turns, in some files. */
async function writeModel(folder: string, types: TensorDtype | TensorDtype[], shards: number): Promise<void> {
  const dtypes = [types].flat();
  const { config, tensor } = randomModel();
  const description = describeModel(config);
  const specs = [...description.outerTensors, ...[0, 1].flatMap((k) => tensorsOfBlock(description, k))];
  const bytesOf = async (bits: Uint16Array, dtype: TensorDtype): Promise<Uint8Array> => {
    if (dtype === 'BF16') return new Uint8Array(bits.buffer, bits.byteOffset, bits.byteLength);
    const values = await widen('bf16', bits);
    return new Uint8Array((dtype === 'F32' ? values : narrow('f16', values)).buffer);
  };
  const tensors = specs.map(({ name, shape }, i) => {
    const dtype = dtypes[i % dtypes.length]!;
    return { name, shape, dtype, data: async () => bytesOf(await tensor(name, shape), dtype) };
  });
  await writeCheckpoint(folder, config, tensors, { shards });
}

/** Moves all tensors of a safetensors file by one byte: its header gets a space more. */
async function shiftByOne(file: string): Promise<void> {
  const bytes = await readFile(file);
  const end = 8 + Number(bytes.readBigUInt64LE(0));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(end - 8 + 1));
  await writeFile(
    file,
    Buffer.concat([length, bytes.subarray(8, end), Buffer.from(' '), bytes.subarray(end)]),
  );
}

test.each(['llama', 'mistral', 'opt', 'qwen2'])(
  'a checkpoint of the family %s is the model that a store holds of it, left dense, bit for bit',
  async (family) => {
    const store = path.join(home, family);
    await writeTestStore(store, await checkpointModel(path.join(FIXTURES, family)));
    expect(await logitsOf({ model: path.join(FIXTURES, family) })).toEqual(await logitsOf({ store }));
  },
);

test.each<[TensorDtype, number]>([
  ['BF16', 1],
  ['BF16', 3],
  ['F16', 1],
  ['F32', 2],
])('weights in %s are run as they are, in %d files', async (dtype, shards) => {
  const model = path.join(home, `${dtype}-${shards}`);
  await writeModel(model, dtype, shards);
  const engine = await open({ model });
  expect(engine.run).toBeUndefined();
  expect(engine.config.vocab_size).toBe(70);
  expect(engine.weightBytes.linears / engine.weightBytes.denseLinears).toBe(dtype === 'F32' ? 2 : 1);
  await engine.close();
  const store = path.join(home, `store of ${dtype}-${shards}`);
  await writeTestStore(store, randomModel(), { f32: dtype === 'F32' });
  const [found, expected] = [await logitsOf({ model }), await logitsOf({ store })];
  // F16 has values near to those of bf16.
  if (dtype === 'F16') expect(Math.abs(found[0]! / expected[0]! - 1)).toBeLessThan(0.01);
  else expect(found).toEqual(expected);
});

test('tensors of several types in one checkpoint are computed with, each in its own', async () => {
  const [mixed, plain] = [path.join(home, 'mixed'), path.join(home, 'plain')];
  await writeModel(mixed, ['BF16', 'F16', 'F32', 'F16'], 2);
  await writeModel(plain, 'F32', 1);
  expect(relativeError(await logitsOf({ model: mixed }), await logitsOf({ model: plain }))).toBeLessThan(
    1e-4,
  );
});

test('tensors at odd places of a file are the same tensors', async () => {
  const model = path.join(home, 'odd');
  await writeModel(model, 'F32', 1);
  const expected = await logitsOf({ model });
  await shiftByOne(path.join(model, 'model.safetensors'));
  expect(await logitsOf({ model })).toEqual(expected);
});

test('one model is opened: a store or a checkpoint', async () => {
  await expect(open({})).rejects.toMatchObject({ kind: 'usage' });
  await expect(open({ store: home, model: home })).rejects.toMatchObject({ kind: 'usage' });
  await expect(open({ model: path.join(home, 'nowhere') })).rejects.toMatchObject({ kind: 'checkpoint' });
});

test('a checkpoint that is on a server is copied once, and has the logits of the same files in a folder', async () => {
  let sent = 0;
  const server = createServer((request, response) => {
    void readFile(path.join(FIXTURES, 'llama', path.basename(request.url!)))
      .catch(() => undefined)
      .then((bytes) => {
        const [from, to] = (/(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? []).slice(1).map(Number);
        const part = from === undefined ? bytes : bytes?.subarray(from, to! + 1);
        const status = bytes === undefined ? 404 : from === undefined ? 200 : 206;
        const range = `bytes ${from}-${to}/${bytes?.length}`;
        response.writeHead(status, {
          'content-length': part?.length ?? 0,
          'content-range': range,
          etag: '"1"',
        });
        sent += request.method === 'HEAD' ? 0 : (part?.length ?? 0);
        response.end(request.method === 'HEAD' ? undefined : part);
      });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    const model = `http://127.0.0.1:${port}/llama`;
    const copied = { model, cacheDirectory: path.join(home, 'copies') };
    const expected = await logitsOf({ model: path.join(FIXTURES, 'llama') });
    expect(await logitsOf(copied)).toEqual(expected);
    const first = sent;
    sent = 0;
    expect(await logitsOf(copied)).toEqual(expected);
    // Headers, and what the digest covers.
    expect(sent).toBeLessThan(first);
    await expect(
      open({ ...copied, cacheDirectory: path.join(home, 'small'), cacheBytes: 10 }),
    ).rejects.toMatchObject({
      kind: 'space',
    });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test.each(['gpt2', 'gpt-oss', 'gpt-oss-mxfp4'])(
  '%s: tensors that lie otherwise than they are computed with are copied once, the others mapped',
  async (name) => {
    const model = path.join(FIXTURES, '../transformers', name);
    const store = path.join(home, `store of ${name}`);
    const expected = path.join(FIXTURES, '../transformers', name.replace(/-mxfp4$/, ''));
    await writeTestStore(store, await checkpointModel(expected));
    const cacheDirectory = path.join(home, `copies of ${name}`);
    const found = await logitsOf({ model, cacheDirectory });
    expect(found).toEqual(await logitsOf({ store }));
    const copies = await readdir(path.join(cacheDirectory, (await readdir(cacheDirectory))[0]!));
    const { fusedTensors } = describeModel(
      JSON.parse(await readFile(path.join(model, 'config.json'), 'utf8')) as Record<string, unknown>,
    );
    const lyingOtherwise = [0, 1, 2].flatMap((block) =>
      fusedTensors!(block).flatMap(({ parts, transposed, interleaved }) =>
        transposed || interleaved ? parts : [],
      ),
    );
    expect(copies).toHaveLength(lyingOtherwise.length);
    expect(await logitsOf({ model, cacheDirectory })).toEqual(found);
  },
);
