import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { uniform } from '@esparse/laws';
import { identityOrder, maskLinear, packQuantized, roundLinear, unpackQuantized } from '@esparse/sparsity';
import { createOrOpenStore } from '@esparse/store';
import { linearAttributesOf, readLinear, writeLinear } from './index.ts';

const [ROWS, COLS] = [20, 128];
const pattern = { keep: 2, group: 4 };
const attributes = {
  ...{ encoding: 'quantized-v1', bits: 4, rows: ROWS, cols: COLS, keep: 2, group: 4, span: 16, tileRows: 16 },
  keptScore: { before: 1, after: 1 },
};
/** A group that says this of a linear. */
const groupOf = (found: Record<string, unknown>) =>
  ({
    arrays: new Map([['q/values', {}]]),
    groupAttributes: () => found,
  }) as unknown as Parameters<typeof linearAttributesOf>[0];

test.each([
  ['another encoding', { encoding: 'quantized-v9' }],
  ['no encoding', { encoding: undefined }],
  ['bits that are none', { bits: 5 }],
  ['no span', { span: undefined }],
  ['rows that are no number', { rows: 'many' }],
  ['tiles of another height', { tileRows: 8 }],
])('a linear with %s is refused by its name', (_, part) => {
  expect(linearAttributesOf(groupOf(attributes), 'q')).toEqual(attributes);
  expect(() => linearAttributesOf(groupOf({ ...attributes, ...part }), 'q')).toThrow(
    expect.objectContaining({
      kind: 'store',
      message: expect.stringContaining('linear q is described in a way that this version does not know'),
    }),
  );
});

test('an encoding that does not come with esparse is refused with what brings it', () => {
  expect(() => linearAttributesOf(groupOf({ ...attributes, encoding: 'x-mine' }), 'q')).toThrow(
    expect.objectContaining({ kind: 'usage', hint: expect.stringContaining('--encoding') }),
  );
});

test.each(['values', 'scales', 'indices', 'permutation'])(
  'integers come back from a store; a damaged chunk of their %s is refused by its name',
  async (array) => {
    const home = await mkdtemp(path.join(tmpdir(), 'esparse-linears-'));
    const random = uniform(5);
    const weights = Float32Array.from({ length: ROWS * COLS }, () => random() - 0.5);
    const permutation = identityOrder(COLS).reverse();
    const shape = { rows: ROWS, cols: COLS };
    const mask = await maskLinear({ scores: weights.map(Math.abs), ...shape }, permutation, pattern);
    const survivors = { pattern, permutation, mask };
    const linear = await packQuantized(
      roundLinear({ weights, ...shape }, { bits: 3 }, survivors),
      shape,
      survivors,
    );
    const writer = await (await createOrOpenStore(home)).beginRun('0123456789abcdef', {});
    const block = writer.beginBlock(0);
    await writeLinear(block, 'q', linear, { keptScore: { before: 1, after: 1 } });
    await block.commit({});
    const read = async () => readLinear(await writer.run.block(0), 'q');
    const found = await read();
    expect(found).toMatchObject({ encoding: 'quantized-v1', bits: 3 });
    expect(unpackQuantized(found as typeof linear)).toEqual(unpackQuantized(linear));

    const folder = path.join(home, 'runs/0123456789abcdef/blocks/0/q', array, 'c');
    const [chunk] = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) =>
      entry.isFile(),
    );
    const file = path.join(chunk!.parentPath, chunk!.name);
    const bytes = await readFile(file);
    await writeFile(file, bytes.with(5, bytes[5]! ^ 1));
    await expect(read()).rejects.toMatchObject({
      kind: 'store',
      message: expect.stringContaining(`q/${array}`),
    });
    await writer.close();
    await rm(home, { recursive: true, force: true });
  },
);
