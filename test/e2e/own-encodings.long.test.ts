import { copyFile, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { encodingLaws } from '@esparse/testing';
import nineBits from '../../examples/plugins/nine-bits.ts';
import { esparse, esparseJson } from '../support/esparse.ts';
import { scratchFolder } from '../support/folders.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_EVALUATION, EXAMPLE_MODEL, REPOSITORY } from '../support/repository.ts';
import { serve } from '../support/serve.ts';

const at = scratchFolder();
// Beside the store, so that @esparse/api is found by nobody but esparse.
const encoding = () => ['--encoding', at('nine-bits.ts')];
const pruning = (store: string, ...args: string[]) => [
  ...['prune', '--model', EXAMPLE_MODEL, '--calibration', EXAMPLE_CALIBRATION, '--store', at(store)],
  ...['--samples', '2', '--seqlen', '64', ...args],
];
const evaluate = async (...args: string[]) =>
  (await esparseJson('eval', '--text', at('text.txt'), '--seqlen', '128', ...args)).perplexity as number;

beforeAll(async () => {
  await copyFile(path.join(REPOSITORY, 'examples/plugins/nine-bits.ts'), at('nine-bits.ts'));
  await writeFile(at('text.txt'), (await readFile(EXAMPLE_EVALUATION, 'utf8')).slice(0, 4_000));
});

test('the example’s encoding keeps the laws', async () => {
  await encodingLaws(nineBits, { patterns: [{ keep: 2, group: 4 }], rounding: 0.5 });
});

test('a run in an encoding of one’s own is planned to the byte, and pruned, shown, evaluated, exported, reported and served with it alone', async () => {
  const run = pruning('store', '--pipeline', 'wanda');
  const planned = await esparseJson(...['plan', ...run.slice(1)], ...encoding());
  const { run: fingerprint } = await esparseJson(...run, ...encoding());
  const inspected = await esparseJson('inspect', '--store', at('store'), ...encoding());
  expect(inspected).toMatchObject({
    run: fingerprint,
    finished: true,
    options: { encoding: { name: 'x-nine-bits', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) } },
  });
  const { bytes, denseBytes } = inspected.totals as Record<'bytes' | 'denseBytes', number>;
  expect((16 * bytes) / denseBytes).toBeGreaterThan(2.49);
  expect((16 * bytes) / denseBytes).toBeLessThan(2.6);
  expect((planned.store as { bytes: number }).bytes / (await storeBytes('store'))).toBeCloseTo(1, 1);

  expect(await esparse('verify', '--store', at('store'))).toMatchObject({ code: 0 });
  const stored = await evaluate('--store', at('store'), ...encoding());
  expect((await evaluate('--store', at('store'), '--engine', 'onnx', ...encoding())) / stored).toBeCloseTo(
    1,
    4,
  );
  await esparseJson(
    'export',
    '--store',
    at('store'),
    '--out',
    at('hf'),
    '--format',
    'safetensors',
    ...encoding(),
  );
  expect((await evaluate('--model', at('hf'))) / stored).toBeCloseTo(1, 4);
  await esparseJson('report', '--store', at('store'), '--out', at('page.html'), ...encoding());
  const server = await serve('--store', at('store'), ...encoding());
  try {
    expect((await fetch(`${server.url}/v1/models`)).status).toBe(200);
  } finally {
    await server.stop();
  }

  for (const args of [
    ['inspect'],
    ['eval', '--text', at('text.txt')],
    ['export', '--out', at('no'), '--format', 'safetensors'],
  ]) {
    expect(await esparse(...args, '--store', at('store'))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--encoding brings it'),
    });
  }
});

test('blocks are tuned before they are encoded, and integers are not asked for beside it', async () => {
  const tuned = ['--pipeline', 'e-sparse-tune', '--shuffle', 'none', '--set', 'steps=2', '--set', 'batch=2'];
  await esparseJson(...pruning('tuned', ...tuned, ...encoding()));
  const { blocks } = await esparseJson('inspect', '--store', at('tuned'), ...encoding());
  expect(blocks).toContainEqual(
    expect.objectContaining({
      linears: expect.arrayContaining([expect.objectContaining({ values: 'nine bits' })]),
    }),
  );
  const both = pruning('both', '--pipeline', 'wanda', '--set', 'values=int4', ...encoding());
  expect(await esparse(...both)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('one of the two'),
  });
  const other = pruning('other', '--pipeline', 'wanda', '--pattern', '4:8', ...encoding());
  expect(await esparse(...other)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('nine-bits is for 2:4'),
  });
});

test.each([
  ['export default {};', 'is not an encoding'],
  ["export default { name: 'half' };", 'it has no arrays()'],
  ["throw new Error('mine');", 'does not load: mine'],
])('a file that is no encoding is refused: %s', async (text, message) => {
  await writeFile(at('wrong.ts'), text);
  const found = await esparse(...pruning('wrong', '--encoding', at('wrong.ts')));
  expect(found).toMatchObject({ code: 2, stderr: expect.stringContaining(message) });
});

/** What the files of a store hold. */
async function storeBytes(store: string): Promise<number> {
  const entries = await readdir(at(store), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = files.map(async ({ parentPath, name }) => (await stat(path.join(parentPath, name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}
