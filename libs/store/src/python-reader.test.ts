import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createOrOpenStore } from './store.ts';
import { packByHand } from './testing/packed-linear.ts';
import { inTemporaryFolder } from '@esparse/laws';

const SCRIPT = path.resolve(__dirname, '../../../test/python/read_store.py');
const python = spawnSync('python3', ['--version']).status === 0;
/** An independent implementation is the oracle; only a machine without Python 3 goes without. */
const withPython = python ? test : test.skip;

function readStore(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync('python3', [SCRIPT, ...args], { encoding: 'utf8' });
}

const SHAPE = { rows: 21, cols: 24, keep: 2, group: 4 };
const WIDE = { rows: 16, cols: 24, keep: 4, group: 8 };
/** Keeps `keep` of every group, at places that turn with the row. */
const keepIn =
  ({ keep, group }: { keep: number; group: number }) =>
  (row: number, position: number): boolean =>
    (position + row) % group < keep;
const weightAt = (row: number, position: number): number => (row * 31 + position) & 0x7fff;

async function writeRun(root: string, kept = keepIn(SHAPE)): Promise<void> {
  const writer = await (await createOrOpenStore(root)).beginRun('a1', { pattern: SHAPE });
  await writer.putObjects('tokenizer', new Map([['tokenizer.json', Buffer.from('{}')]]));
  const dense = writer.beginDense();
  await dense.putArray('norm', { data: Float32Array.from([1, 2]), shape: [2] });
  await dense.commit({});
  const block = writer.beginBlock(0);
  const linears = {
    q_proj: packByHand('index-v1', SHAPE, kept, weightAt),
    k_proj: packByHand('mask-v1', WIDE, keepIn(WIDE), weightAt),
  };
  for (const [name, { attributes, values, indices }] of Object.entries(linears)) {
    await block.putGroup(name, attributes);
    await block.putArray(`${name}/values`, values);
    await block.putArray(`${name}/indices`, indices);
    const permutation = Int32Array.from({ length: SHAPE.cols }, (_, i) => (i * 5) % SHAPE.cols);
    await block.putArray(`${name}/permutation`, { data: permutation, shape: [SHAPE.cols] });
  }
  await block.putArray('empty', { data: new Float32Array(0), shape: [0] });
  await block.commit({});
  await writer.finish({ blocks: 1 });
  await writer.close();
}

withPython('Python reads the whole store, and finds N of every M kept in every row', async () => {
  await inTemporaryFolder(async (root) => {
    await writeRun(root);
    const { status, stdout, stderr } = readStore(root);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({
      run: 'a1',
      finished: true,
      tokenizer: ['tokenizer.json'],
      dense: { arrays: 1 },
      blocks: {
        0: {
          arrays: 7,
          linears: {
            q_proj: { encoding: 'index-v1', pattern: '2:4', kept: 21 * 12, permuted: true },
            k_proj: { encoding: 'mask-v1', pattern: '4:8', kept: 16 * 12 },
          },
        },
      },
    });
  });
});

withPython('Python refuses a linear that keeps one weight too few, naming row and group', async () => {
  await inTemporaryFolder(async (root) => {
    await writeRun(root, (row, position) => keepIn(SHAPE)(row, position) && !(row === 17 && position === 7));
    const { status, stderr } = readStore(root, '--run', 'a1');
    expect(status).toBe(1);
    expect(stderr).toContain('q_proj: row 17, group 1 keeps');
  });
});

withPython('Python finds a flipped byte of a chunk, of array metadata and of a commit', async () => {
  await inTemporaryFolder(async (root) => {
    await writeRun(root);
    for (const name of ['blocks/0/q_proj/values/c/0/0/0', 'blocks/0/q_proj/zarr.json', 'dense/zarr.json']) {
      const file = path.join(root, 'runs/a1', name);
      const sound = await readFile(file);
      const flipped = Buffer.from(sound);
      flipped[40]! ^= 1;
      await writeFile(file, flipped);
      expect(readStore(root)).toMatchObject({ status: 1, stdout: '' });
      await writeFile(file, sound);
    }
    expect(readStore(root).status).toBe(0);
  });
});
