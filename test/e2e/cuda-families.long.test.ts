/** What `--device cuda` serves, by the kernels' own source on the processor. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { emulatedDecoder } from '../support/emulated-gpu.ts';
import { scratchFolder } from '../support/folders.ts';
import { REPOSITORY } from '../support/repository.ts';

const at = scratchFolder();

/** An emulated GPU takes some seconds a family, on a busy machine many. */
const TIMEOUT_MS = 15 * 60_000;
/** Of the kernels before Hopper: what they do otherwise is in none of the families alone. */
const FEW = 'LLaMA, (dense|heads of 80)|Qwen3: |OPT: |Gemma 3|Mixtral: |gpt-oss|OPT, int4|int8 survivors';

test.each([
  ['since Hopper', 'every family', 90, '.', 30],
  ['before Hopper', 'some families', 80, FEW, 9],
] as const)(
  '%s logits of %s are those of the processor, and bits depend on a text alone',
  async (_, __, image, names, least) => {
    const gpu = emulatedDecoder(at(`gpu-${image}`), image);
    const laws = path.join(REPOSITORY, 'test/dist/cuda/family-laws.js');
    const arguments_ = ['--test', `--test-name-pattern=${names}`, laws];
    const { stdout } = await promisify(execFile)(process.execPath, arguments_, { env: gpu });
    expect(stdout).toMatch(/^# fail 0$/m);
    expect(Number(/^# pass (\d+)$/m.exec(stdout)?.[1])).toBeGreaterThanOrEqual(least);
  },
  TIMEOUT_MS,
);
