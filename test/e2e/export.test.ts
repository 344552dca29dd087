import { execFileSync, spawnSync } from 'node:child_process';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { esparse, esparseJson } from '../support/esparse.ts';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import { startInterruptible } from '../support/interrupted.ts';
import { ESPARSE, EXAMPLE_CALIBRATION, EXAMPLE_EVALUATION, EXAMPLE_MODEL } from '../support/repository.ts';

const at = scratchFolder();
const evaluate = async (...args: string[]) =>
  (await esparseJson('eval', '--text', at('text.txt'), '--seqlen', '128', ...args)).perplexity as number;
const exportTo = (out: string, ...args: string[]) => [
  'export',
  '--store',
  at('store'),
  '--out',
  at(out),
  ...args,
];

let run: unknown;
beforeAll(async () => {
  await writeFile(at('text.txt'), (await readFile(EXAMPLE_EVALUATION, 'utf8')).slice(0, 4_000));
  const calibration = ['--calibration', EXAMPLE_CALIBRATION, '--samples', '4', '--seqlen', '64'];
  ({ run } = await esparseJson('prune', '--model', EXAMPLE_MODEL, ...calibration, '--store', at('store')));
});

test('an export is a checkpoint that evaluates as the store does, folded too', async () => {
  const report = await esparseJson(...exportTo('hf'));
  expect(report).toMatchObject({ run, format: 'safetensors', files: 4 });
  expect((await readdir(at('hf'))).sort()).toEqual([
    'config.json',
    'model.safetensors',
    'tokenizer.json',
    'tokenizer_config.json',
  ]);
  const folded = await esparse(...exportTo('folded', '--fold'));
  expect(folded.stdout).toContain('folded into the linears before: down_proj');
  const stored = await evaluate('--store', at('store'));
  // Sums are added in another order.
  for (const out of ['hf', 'folded']) expect((await evaluate('--model', at(out))) / stored).toBeCloseTo(1, 5);
});

test('an export that is killed, or stopped by Ctrl-C, goes on with the same command; another folder is refused', async () => {
  // Killed while it is marked as unfinished: where it was too fast for that, from the start.
  const marked = async () => {
    const names = await readdir(at('again')).catch(() => []);
    return names.some((name) => name.endsWith('export.json'));
  };
  while (!(await marked())) {
    await rm(at('again'), { recursive: true, force: true });
    const killed = startInterruptible(...exportTo('again'));
    const until = Date.now() + 10_000;
    while (!(await marked()) && killed.child.exitCode === null && Date.now() < until) await setTimeout(1);
    killed.child.kill('SIGKILL');
    await killed.ended;
  }
  await esparseJson(...exportTo('again'));
  expect(await contentsOf(at('again'))).toEqual(await contentsOf(at('hf')));
  await expect(esparse(...exportTo('again'))).resolves.toMatchObject({
    code: 2,
    stderr: expect.stringContaining('is not empty: nothing is overwritten'),
  });
});

/** A namespace in which an ordinary user may mount: not given on every system. */
const NAMESPACE = ['--mount', '--map-root-user'];
const permitted = spawnSync('unshare', [...NAMESPACE, 'true']).status === 0;
if (!permitted) process.emitWarning('unshare is not permitted here: exports onto a full disk are not tested');

(permitted ? test : test.skip)(
  'a disk that takes no more is named with file and bytes, leaves nothing half-named, and with room again the export goes on',
  async () => {
    await mkdir(at('disk'));
    const command = `'${process.execPath}' '${ESPARSE}' ${exportTo('disk/out').join(' ')} 2>&1; echo "exported: $?"`;
    const remount = (options: string) => `mount -o remount,${options} '${at('disk')}'`;
    const script = [
      `mount -t tmpfs -o size=1m none '${at('disk')}'`,
      command,
      // There is room, and no more files can be made than the folder, the lock and what says that it is not finished.
      remount('size=16m,nr_inodes=5'),
      command,
      `ls '${at('disk/out')}'`,
      remount('size=16m,nr_inodes=100'),
      command,
      `cp -r '${at('disk/out')}' '${at('copied')}'`,
    ].join('; ');
    const output = execFileSync('unshare', [...NAMESPACE, 'sh', '-c', script], { encoding: 'utf8' });
    expect(output).toMatch(/has no room for the export: \d+ bytes are needed, \d+ bytes are free/);
    expect(output).toMatch(
      /cannot write .*: no space left on the device \(\d+ bytes are needed, \d+ bytes are free\)/,
    );
    expect(output.match(/exported: \d/g)).toEqual(['exported: 2', 'exported: 2', 'exported: 0']);
    expect(await contentsOf(at('copied'))).toEqual(await contentsOf(at('hf')));
  },
);
