/** What `--device cuda` serves, by the kernels' own source on the processor. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { emulatedDecoder } from '../support/emulated-gpu.ts';
import { scratchFolder } from '../support/folders.ts';
import { REPOSITORY } from '../support/repository.ts';

const at = scratchFolder();

test.each([
  ['since Hopper', 90],
  ['before Hopper', 80],
] as const)(
  '%s logits of every family are those of the processor, and bits depend on a text alone',
  async (_, image) => {
    const gpu = emulatedDecoder(at(`gpu-${image}`), image);
    const laws = path.join(REPOSITORY, 'test/dist/cuda/family-laws.js');
    const { stdout } = await promisify(execFile)(process.execPath, ['--test', laws], { env: gpu });
    expect(stdout).toMatch(/^# fail 0$/m);
    expect(Number(/^# pass (\d+)$/m.exec(stdout)?.[1])).toBeGreaterThan(10);
  },
);
