import { readFile, writeFile } from 'node:fs/promises';
import { esparse, esparseJson } from '../support/esparse.ts';
import { scratchFolder } from '../support/folders.ts';
import { EXPERTS, writeMixture } from '../support/mixture-model.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_EVALUATION } from '../support/repository.ts';

const at = scratchFolder();
beforeAll(() => writeMixture(at('model')));

interface Starved {
  readonly event: string;
  readonly block: number;
  readonly threshold: number;
  readonly starved: readonly { readonly expert: number; readonly tokens: number }[];
}

test('a mixture of experts is pruned, its starved experts named, and both runtimes make the same of the store', async () => {
  const { code, stdout, stderr } = await esparse(
    ...['prune', '--model', at('model'), '--calibration', EXAMPLE_CALIBRATION, '--store', at('store')],
    ...['--samples', '4', '--seqlen', '48', '--expert-tokens', '40', '--json'],
    ...['--pipeline', 'e-sparse-reconstruct'],
  );
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Starved);

  const linears = events.filter(({ event }) => event === 'linear');
  expect(linears).toHaveLength(2 * (4 + 3 * EXPERTS) + 7);
  const starved = events.filter(({ event }) => event === 'experts');
  // Blocks count from 1 in events; the second has no experts.
  expect(starved.map(({ block }) => block).filter((block) => block !== 1 && block !== 3)).toEqual([]);
  expect(starved.length).toBeGreaterThan(0);
  for (const { threshold, starved: experts } of starved) {
    expect(threshold).toBe(40);
    expect(experts.length).toBeLessThan(EXPERTS);
    for (const { expert, tokens } of experts) {
      expect(expert).toBeLessThan(EXPERTS);
      expect(tokens).toBeLessThan(threshold);
    }
  }

  expect(await esparseJson('verify', '--store', at('store'))).toMatchObject({ damages: [] });
  await writeFile(at('text.txt'), (await readFile(EXAMPLE_EVALUATION, 'utf8')).slice(0, 4000));
  const text = ['--store', at('store'), '--text', at('text.txt'), '--seqlen', '48'];
  const native = await esparseJson('eval', ...text);
  const onnx = await esparseJson('eval', ...text, '--engine', 'onnx');
  expect(Number(native.perplexity) / Number(onnx.perplexity)).toBeCloseTo(1, 4);
  const generated = await esparse(
    'generate',
    '--store',
    at('store'),
    '--prompt',
    'Once',
    '--max-tokens',
    '4',
  );
  expect(generated.code).toBe(0);
});
