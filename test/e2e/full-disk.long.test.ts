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

/** Prunes in the background, and goes on once its first block is committed, or it has ended. */
const pruneToFirstBlock = (store: string) =>
  `{ ${prune(store)}; } > "$1.log" 2>&1 & until grep -Eq 'block 1/4 committed|pruned:' "$1.log"; do sleep 0.02; done`;

/** A file system is busy, and stays as it is, while a file of it is being written. */
const REMOUNT = 'until mount -o remount,ro "$1" 2> /dev/null; do sleep 0.01; done';

onFullDisk('a disk that is too small for the run is seen before anything is pruned', () => {
  const output = withDisk(place('small'), 2 * MIB, `${prune('"$1/store"')}; ls "$1/store"`);
  expect(output).toMatch(/no room for the run: \d+ bytes are needed, \d+ bytes are free/);
  expect(output).toContain('pruned: 2\nzarr.json\n');
  expect(output).not.toContain('committed');
});

onFullDisk(
  'a disk that fills up is reported with file and bytes; what is committed is whole, and with space again the run goes on, to the same store',
  async () => {
    const output = withDisk(
      place('filled'),
      8 * MIB,
      `${pruneToFirstBlock('"$1/store"')}; cat /dev/zero > "$1/other"; wait; cat "$1.log"; ` +
        `${esparse} verify --store "$1/store"; echo "verified: $?"; rm "$1/other"; echo again; ` +
        `${prune('"$1/store"')}; cp -r "$1/store" '${at('resumed')}'`,
    );
    const [first, second] = output.split('again\n');
    expect(first).not.toContain('block 4/4 committed');
    expect(first).toMatch(
      /cannot write .*: no space left on the device \(\d+ bytes are needed, \d+ bytes are free\)/,
    );
    expect(first).toContain('pruned: 2');
    expect(first).toContain('verified: 0');
    expect(second).toMatch(/going on after block [123] of 4/);
    expect(second).toContain('pruned: 0');
    expect(execFileSync('sh', ['-c', prune(`'${at('whole')}'`)], { encoding: 'utf8' })).toContain(
      'pruned: 0',
    );
    expect(await contentsOf(at('resumed'))).toEqual(await contentsOf(at('whole')));
  },
);

onFullDisk(
  'a file system that becomes read-only is named as what it is, at the start and in the middle',
  () => {
    const output = withDisk(
      place('read-only'),
      16 * MIB,
      `${pruneToFirstBlock('"$1/store"')}; ${REMOUNT}; wait; cat "$1.log"; ` +
        `echo then; ${prune('"$1/store"')}; ${esparse} gc --store "$1/store"; echo "collected: $?"`,
    );
    const [during, after] = output.split('then\n');
    expect(during).toMatch(/error: cannot (write|remove|flush) .*: its file system is read-only/);
    expect(during).toContain('pruned: 2');
    expect(after).toMatch(/error: cannot lock .*: its file system is read-only/);
    expect(after).toContain('pruned: 2');
    expect(after).toContain('collected: 2');
    expect(output).not.toContain('EROFS');
  },
);

onFullDisk('what cannot be exported or reported names its place, and leaves nothing behind', () => {
  execFileSync('sh', ['-c', prune(`'${at('source')}'`)]);
  const report = `${esparse} report --store '${at('source')}' --out "$1/r.html"; echo "reported: $?"`;
  const exported = `${esparse} export --store '${at('source')}' --out "$1/hf"; echo "exported: $?"`;
  const output = withDisk(
    place('exports'),
    MIB,
    `cat /dev/zero > "$1/other"; ${report}; ls -A "$1"; ${REMOUNT}; ${exported}`,
  );
  expect(output).toMatch(/error: \S+\/exports\/r\.html cannot be written: ENOSPC/);
  expect(output).toContain('--out\nreported: 2\nother\n');
  expect(output).toMatch(/error: cannot make \S+\/exports\/hf: its file system is read-only/);
  expect(output).toContain('exported: 2');
});
