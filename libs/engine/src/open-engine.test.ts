import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { openEngine, type EngineOptions } from './index.ts';
import { randomModel, writeTestStore } from './testing/test-store.ts';

const PATTERN = { keep: 2, group: 4 };
const RUN = 'runs/abcdef0123456789';

let home: string;
let sound: string;
beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'esparse-open-'));
  sound = path.join(home, 'sound');
  await writeTestStore(sound, randomModel(), { pattern: PATTERN });
});
afterAll(() => rm(home, { recursive: true, force: true }));

const open = (store: string, options: Partial<EngineOptions> = {}) =>
  openEngine({ store, kvBytes: 1 << 22, ...options });

/** A copy of the sound store, with something done to one of its files. */
async function harmed(name: string, file: string, harm: (file: string) => Promise<unknown>): Promise<string> {
  const store = path.join(home, name);
  await cp(sound, store, { recursive: true });
  await harm(path.join(store, RUN, file));
  return store;
}

const flip = (at: number) => async (file: string) => {
  const bytes = await readFile(file);
  bytes[at]! ^= 0xff;
  await writeFile(file, bytes);
};
const refused = (message: RegExp): unknown =>
  expect.objectContaining({ kind: 'store', message: expect.stringMatching(message) });

test('a sound store opens, its bytes verified or not, and says what it is', async () => {
  const engine = await open(sound, { verify: 'full', run: 'abc' });
  expect(engine.run).toBe('abcdef0123456789');
  expect(engine.config.num_hidden_layers).toBe(2);
  expect(engine.weightBytes.linears / engine.weightBytes.denseLinears).toBe(0.5625);
  expect(engine.maxContext).toBe(256);
  await engine.close();
  await engine.close();
});

test.each([
  [
    'a chunk cut short',
    'blocks/1/q_proj/values/c/0/0/0',
    (file: string) => truncate(file, 100),
    /block 1.*q_proj\/values/,
  ],
  [
    'a chunk missing',
    'blocks/0/up_proj/indices/c/0/0/0',
    (file: string) => rm(file),
    /block 0.*up_proj\/indices/,
  ],
  [
    'indices that are no choice',
    'blocks/1/k_proj/indices/c/0/0/0',
    flip(3),
    /block 1: k_proj: packed weights are damaged/,
  ],
  ['a permutation that is none', 'blocks/0/q_proj/permutation/c/0', flip(0), /block 0: q_proj.*permutation/],
  ['a commit missing', 'blocks/1/zarr.json', (file: string) => rm(file), /block 1 is missing/],
  ['its end missing', 'finished.json', (file: string) => rm(file), /not brought to its end/],
  ['metadata that is damaged', 'blocks/0/q_proj/values/zarr.json', flip(20), /block 0.*q_proj\/values/],
  [
    'a newer format',
    'zarr.json',
    async (file: string) =>
      writeFile(file, (await readFile(file, 'utf8')).replace('"format": 1', '"format": 2')),
    /format 2/,
  ],
] as const)('a store with %s is refused at the start, by name', async (name, file, harm, message) => {
  await expect(open(await harmed(name, file, harm))).rejects.toEqual(refused(message));
});

test('a weight that was changed is found by verifying, before or meanwhile, and named', async () => {
  const store = await harmed('weight', 'blocks/1/down_proj/values/c/0/0/0', flip(8));
  const unseen = await open(store, { verify: 'none' });
  await unseen.verified;
  await unseen.close();
  const damage = refused(/block 1.*down_proj\/values/);
  await expect(open(store, { verify: 'full' })).rejects.toEqual(damage);
  const engine = await open(store, { verify: 'background' });
  await expect(engine.verified).rejects.toEqual(damage);
  await engine.close();
});

test('a run that is not finished is refused, naming the block that is missing', async () => {
  const store = path.join(home, 'unfinished');
  await writeTestStore(store, randomModel(), { pattern: PATTERN, blocks: 1 });
  await expect(open(store, { run: 'abcdef0123456789' })).rejects.toEqual(refused(/block 1 is missing/));
});

test('options out of range are refused, and so is a dynamic scaling beyond what is exact', async () => {
  const usage = (message: RegExp): unknown =>
    expect.objectContaining({ kind: 'usage', message: expect.stringMatching(message) });
  await expect(open(sound, { maxContext: 257 })).rejects.toEqual(usage(/257 tokens is not within 1 to 256/));
  await expect(open(sound, { maxContext: 257 })).rejects.toMatchObject({
    hint: expect.stringContaining('at most 256 (--seqlen'),
  });
  await expect(open(sound, { kvBytes: 1000 })).rejects.toEqual(usage(/holds no page/));
  await expect(open(sound, { maxStepTokens: 0 })).rejects.toEqual(usage(/steps of 0/));
  await expect(open(sound, { threads: 0 })).rejects.toEqual(usage(/0 compute threads/));
  const store = path.join(home, 'dynamic');
  await writeTestStore(store, randomModel({ rope_scaling: { rope_type: 'dynamic', factor: 2 } }));
  const engine = await open(store);
  expect(engine.maxContext).toBe(256);
  await expect(open(store, { maxContext: 257 })).rejects.toEqual(usage(/257/));
});

test('the engine does without ONNX Runtime: importing it loads none', async () => {
  const index = path.join(import.meta.dirname, '../dist/index.js');
  const script = `await import(${JSON.stringify(index)}); console.log(JSON.stringify(process.report.getReport().sharedObjects))`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  const objects = JSON.parse(stdout) as string[];
  expect(objects.some((file) => file.includes('libc'))).toBe(true);
  expect(objects.filter((file) => file.includes('onnxruntime'))).toEqual([]);
});
