import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { ESPARSE, EXAMPLE_CALIBRATION } from '../../support/repository.ts';
import { heading, median, print } from '../table.ts';
import { writeNoiseLlama } from './noise-model.ts';

const SHAPE = { hidden: 2048, intermediate: 5632, heads: 32, kvHeads: 4, blocks: 6 };
/** The block after whose commit the run is killed. */
const LAST = 2;

/** What a run that was killed after a commit loses, against the time of a block. */
export async function benchResume(scratch: string): Promise<void> {
  heading('killed after a commit, and run again: 6 blocks of 2048 / 5632, 16 x 256 tokens, --shuffle global');
  const model = path.join(scratch, 'resume');
  await writeNoiseLlama(model, SHAPE);
  const args = [ESPARSE, 'prune', '--model', model, '--calibration', EXAMPLE_CALIBRATION].concat(
    ['--store', path.join(scratch, 'resume-store'), '--shuffle', 'global', '--samples', '16'],
    ['--seqlen', '256', '--json'],
  );
  const cycles: number[] = [];
  let since = 0;
  await prune(args, ({ event, block }, child) => {
    if (event !== 'committed') return;
    cycles.push((performance.now() - since) / 1000);
    since = performance.now();
    if (block === LAST) child.kill('SIGKILL');
  });
  const started = performance.now();
  let resumed = 0;
  await prune(args, ({ event, block, phase }) => {
    if (event === 'progress' && block === LAST + 1 && phase === 'calibrate' && resumed === 0)
      resumed = (performance.now() - started) / 1000;
  });
  // The first block's time has the start of the run in it.
  const block = median(cycles.slice(1));
  print({ name: 'a block, from commit to commit', measured: `${block.toFixed(1)} s` });
  print({
    name: 'from the second start to the next block at work',
    measured: `${resumed.toFixed(1)} s`,
    target: `< ${block.toFixed(1)} s`,
    met: resumed > 0 && resumed < block,
  });
}

/** Runs to its end, or to that of the process. */
async function prune(
  args: readonly string[],
  on: (event: Record<string, unknown>, child: ChildProcess) => void,
): Promise<void> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  createInterface(child.stdout).on('line', (line) => {
    on(JSON.parse(line) as Record<string, unknown>, child);
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (code !== 0 && signal !== 'SIGKILL') throw new Error(`esparse prune ended with ${String(code)}`);
}
