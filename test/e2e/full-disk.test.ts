import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { scratchFolder } from '../support/folders.ts';
import { ESPARSE, EXAMPLE_CALIBRATION, EXAMPLE_MODEL } from '../support/repository.ts';

jest.setTimeout(60_000);

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

(permitted ? test : test.skip)(
  'a full disk is told with exit code 2, and what is committed by then is whole',
  () => {
    const folder = at('disk');
    mkdirSync(folder, { recursive: true });
    const esparse = `'${process.execPath}' '${ESPARSE}'`;
    const output = withDisk(
      folder,
      2 * 1024 * 1024,
      `${esparse} prune --model '${EXAMPLE_MODEL}' --calibration '${EXAMPLE_CALIBRATION}' --store "$1/store" ` +
        `--pipeline magnitude --samples 4 --seqlen 64; echo "pruned: $?"; ` +
        `${esparse} verify --store "$1/store"; echo "verified: $?"`,
    );
    expect(output).toContain('block 1/4 committed');
    expect(output).not.toContain('block 4/4 committed');
    expect(output).toContain('no space left on the device');
    expect(output).toContain('pruned: 2');
    expect(output).toContain('verified: 0');
  },
);
