import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, watch } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { scratchFolder } from '../support/folders.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_EVALUATION, EXAMPLE_MODEL, REPOSITORY } from '../support/repository.ts';

const at = scratchFolder();
const command = (...args: string[]) => [
  path.join(REPOSITORY, 'test/dist/bench/ablation.js'),
  ...['--model', EXAMPLE_MODEL, '--calibration', EXAMPLE_CALIBRATION, '--text', EXAMPLE_EVALUATION],
  ...['--seqlen', '64', '--out', at('results.json'), ...args],
];
const ablation = (...args: string[]) => promisify(execFile)(process.execPath, command(...args));

test('a grid is measured once: cells that are alike are one run, and the same command again runs nothing', async () => {
  const cell = { pipeline: 'e-sparse', set: { alpha: 2 }, pattern: '2:4', samples: 2, seed: 1 };
  const grid = ['a', 'b'].map((name) => ({ name, ...cell }));
  await writeFile(at('grid.json'), JSON.stringify([...grid, { ...cell, name: 'c', pipeline: 'magnitude' }]));

  await writeFile(
    at('tasks.jsonl'),
    '{ "context": "The cat sat on the", "choices": ["mat.", "of."], "answer": 0 }\n',
  );
  const sized = ['--windows', '3', '--tasks', at('tasks.jsonl'), '--out', at('sized.json')];
  const first = await ablation('--grid', at('grid.json'), '--only', 'a', 'b', ...sized);
  expect(first.stderr).toMatch(/^\[1\/1\] a, 2:4, seed 1: \d+\.\d\d after/);
  const rows = first.stdout.split('\n').filter((line) => /^\| [ab] /.test(line));
  expect(rows).toHaveLength(2);
  expect(rows[0]!.slice(4)).toBe(rows[1]!.slice(4));
  expect(rows[0]).toContain('| alpha=2 | 2:4 | 2 |');

  type Measured = Record<'perplexity' | 'standardError' | 'windows' | 'accuracy', number>;
  const results = JSON.parse(await readFile(at('sized.json'), 'utf8')) as {
    cells: object;
    dense: Measured;
  };
  const [measured] = Object.values(results.cells) as Measured[];
  expect(measured).toMatchObject({ ...cell, windows: 3 });
  expect(measured!.perplexity).toBeGreaterThan(results.dense.perplexity);
  expect(measured!.standardError).toBeGreaterThan(0);
  expect([0, 1]).toContain(measured!.accuracy);

  const again = await ablation('--grid', at('grid.json'), '--only', 'a', 'b', ...sized);
  expect(again).toEqual({ stdout: first.stdout, stderr: '' });
  await expect(ablation('--grid', at('grid.json'), ...sized, '--seqlen', '32')).rejects.toMatchObject({
    stderr: expect.stringContaining('is of seqlen 64, not 32'),
  });
});

test('a cell that fails is reported and leaves the others', async () => {
  const cell = { pipeline: 'magnitude', set: {}, pattern: '2:4', samples: 2, seed: 0 };
  const grid = [
    { ...cell, name: 'bad', pipeline: 'none' },
    { ...cell, name: 'good' },
  ];
  await writeFile(at('grid.json'), JSON.stringify(grid));
  await expect(ablation('--grid', at('grid.json'), '--jobs', '2')).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/bad, 2:4, seed 0 failed: .*there is no pipeline none/),
    stdout: expect.stringMatching(/\| bad .*not measured[^]*\| good .*\| 1 \|/),
  });
});

test('a grid that cannot be read is refused with the field that is wrong', async () => {
  await writeFile(at('grid.json'), '[{ "name": "a", "pipeline": "wanda", "seeds": 1 }]');
  for (const [grid, message] of [
    [at('grid.json'), 'Unrecognized key: "seeds"'],
    [at('nowhere.json'), 'ENOENT'],
  ] as const) {
    await expect(ablation('--grid', grid)).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringMatching(new RegExp(`error: the grid .*json: [^]*${message}`)),
    });
  }
});

test('many cells at once are no leak of listeners', async () => {
  const cell = { name: 'bad', pipeline: 'none', set: {}, pattern: '2:4', samples: 2 };
  const grid = Array.from({ length: 12 }, (_, seed) => ({ ...cell, seed }));
  await writeFile(at('grid.json'), JSON.stringify(grid));
  await expect(ablation('--grid', at('grid.json'), '--jobs', '12')).rejects.toMatchObject({
    stderr: expect.not.stringContaining('Warning'),
  });
});

test('a grid that is stopped reports no failure, and keeps its results', async () => {
  const cell = { name: 'long', pipeline: 'e-sparse', set: {}, pattern: '2:4', samples: 512, seed: 0 };
  const short = { ...cell, name: 'short', pipeline: 'magnitude', seed: 7 };
  await writeFile(at('grid.json'), JSON.stringify([short, cell]));
  const child = spawn(process.execPath, command('--grid', at('grid.json')), { stdio: 'pipe' });
  let printed = '';
  let table = '';
  child.stderr.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
    if (printed.includes('[1/2] short')) child.kill('SIGTERM');
  });
  child.stdout.on('data', (chunk: Buffer) => {
    table += chunk.toString();
  });
  expect(await once(child, 'close')).toEqual([130, null]);
  expect(printed).not.toContain('failed');
  expect(table).toMatch(/\| short .*\| 1 \|[^]*\| long .*not measured/);
});

test('so does one that is stopped before its first cell, while the checkpoint itself is measured', async () => {
  const cell = { name: 'first', pipeline: 'magnitude', set: {}, pattern: '2:4', samples: 2, seed: 0 };
  await writeFile(at('grid.json'), JSON.stringify([cell]));
  // It makes a folder for its runs just before.
  await mkdir(at('temporary'));
  const watcher = watch(at('temporary'));
  const begins = once(watcher, 'change');
  const child = spawn(process.execPath, command('--grid', at('grid.json'), '--out', at('none.json')), {
    stdio: 'pipe',
    env: { ...process.env, TMPDIR: at('temporary') },
  });
  let printed = '';
  let table = '';
  child.stderr.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  child.stdout.on('data', (chunk: Buffer) => (table += chunk.toString()));
  await begins;
  watcher.close();
  child.kill('SIGTERM');
  expect(await once(child, 'close')).toEqual([130, null]);
  expect(printed).toBe('');
  expect(table).toMatch(/\| first .*not measured/);
  expect(existsSync(at('none.json'))).toBe(false);
});
