import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import { ESPARSE, EXAMPLE_CALIBRATION, EXAMPLE_MODEL } from '../support/repository.ts';

const MIB = 1024 * 1024;

const at = scratchFolder();

/** A namespace in which an ordinary user may mount: not given on every system. */
const NAMESPACE = ['--mount', '--map-root-user'];
const permitted = spawnSync('unshare', [...NAMESPACE, 'true']).status === 0;
if (!permitted) process.emitWarning('unshare is not permitted here: the test of a full disk is skipped');

/** Runs shell commands with a file system of so many bytes mounted at `folder`. */
function withDisk(folder: string, bytes: number, commands: string): string {
  const script = `mount -t tmpfs -o size=${bytes} none "$1" && { ${commands}; } 2>&1`;
  return execFileSync('unshare', [...NAMESPACE, 'sh', '-c', script, 'sh', folder], { encoding: 'utf8' });
}

const esparse = `'${process.execPath}' '${ESPARSE}'`;
const prune = (store: string, ...args: string[]) =>
  `${esparse} prune --model '${EXAMPLE_MODEL}' --calibration '${EXAMPLE_CALIBRATION}' --store ${store} ` +
  `--samples 4 --seqlen 64 --threads 1 ${args.join(' ')}; echo "pruned: $?"`;
const onFullDisk = permitted ? test : test.skip;

/** An empty folder to mount at. */
function place(name: string): string {
  mkdirSync(at(name), { recursive: true });
  return at(name);
}

onFullDisk('a full disk is reported with exit code 2, and what is committed by then is whole', () => {
  const output = withDisk(
    place('disk'),
    2 * MIB,
    `${prune('"$1/store"', '--pipeline magnitude')}; ${esparse} verify --store "$1/store"; echo "verified: $?"`,
  );
  expect(output).toContain('block 1/4 committed');
  expect(output).not.toContain('block 4/4 committed');
  expect(output).toContain('no space left on the device');
  expect(output).toContain('pruned: 2');
  expect(output).toContain('verified: 0');
});

onFullDisk(
  'with space again the same command goes on, to the store of a run that had it all along',
  async () => {
    const folder = place('filled');
    // The store has some 3.2 MiB in the end; a file takes the space of its second half.
    const output = withDisk(
      folder,
      16 * MIB,
      `head -c ${14 * MIB} /dev/zero > "$1/other"; ${prune('"$1/store"')}; rm "$1/other"; echo again; ` +
        `${prune('"$1/store"')}; cp -r "$1/store" '${at('resumed')}'`,
    );
    const [first, second] = output.split('again\n');
    expect(first).toContain('block 1/4 committed');
    expect(first).toContain('no space left on the device');
    expect(first).toContain('pruned: 2');
    expect(second).toMatch(/going on after block [123] of 4/);
    expect(second).toContain('pruned: 0');
    expect(execFileSync('sh', ['-c', prune(`'${at('whole')}'`)], { encoding: 'utf8' })).toContain(
      'pruned: 0',
    );
    expect(await contentsOf(at('resumed'))).toEqual(await contentsOf(at('whole')));
  },
);
