/**
 * `npm run bench:scale`: the promises about models larger than memory, many workers and survival, as ratios and figures
 * of one run. Generates what it needs and removes it afterwards: 41 GB of disk for all 40 blocks, 1 GB a block.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
import { benchHessian } from './scale/hessian.ts';
import { benchOutOfCore } from './scale/out-of-core.ts';
import { benchResume } from './scale/resume.ts';
import { benchS3Speed } from './scale/s3-speed.ts';
import { benchStoreSpeed } from './scale/store-speed.ts';
import { benchWorkers } from './scale/workers.ts';

interface Flags {
  readonly blocks: string;
  readonly scratch: string;
  readonly only?: string[];
}

const SECTIONS = ['workers', 'resume', 'store', 's3', 'hessian', 'out-of-core'];

const flags = new Command('bench:scale')
  .option('--blocks <n>', 'blocks of the large model: 40 are more than 24 GiB of memory hold', '40')
  .option('--scratch <dir>', 'where to generate', tmpdir())
  .option('--only <section...>', `of ${SECTIONS.join(', ')}`)
  .parse()
  .opts<Flags>();

const scratch = await mkdtemp(path.join(flags.scratch, 'esparse-bench-'));
try {
  const wanted = new Set(flags.only ?? SECTIONS);
  if (wanted.has('workers')) await benchWorkers(scratch);
  if (wanted.has('resume')) await benchResume(scratch);
  if (wanted.has('store')) await benchStoreSpeed(scratch);
  if (wanted.has('s3')) await benchS3Speed();
  if (wanted.has('hessian')) await benchHessian(scratch);
  if (wanted.has('out-of-core')) await benchOutOfCore(Number(flags.blocks), scratch);
} finally {
  await rm(scratch, { recursive: true, force: true });
}
