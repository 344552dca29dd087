/**
 * `npm run bench:calibration`: the promises of pruning about speed and memory, as ratios and rates of one run. By
 * default it generates a model of the shape that they were made for; `--model` and `--calibration` take a real one.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
import { writeRandomLlama } from '../support/random-model.ts';
import { EXAMPLE_CALIBRATION } from '../support/repository.ts';
import { benchLocalShuffle } from './local-shuffle.ts';
import { benchMemory } from './memory.ts';
import { benchOutputError } from './output-error.ts';
import { benchStatistics } from './statistics.ts';
import { benchTileStream } from './tile-stream.ts';
import { benchWholeRun } from './whole-run.ts';

interface Flags {
  readonly model?: string;
  readonly calibration: string;
  readonly samples: string;
  readonly pairs: string;
  readonly only?: string[];
}

const SECTIONS = ['stream', 'statistics', 'shuffle', 'memory', 'run', 'output-error'];

const flags = new Command('bench:calibration')
  .option('--model <dir>', 'checkpoint to measure on (default: a generated LLaMA of 8 blocks of 512 / 1408)')
  .option('--calibration <file>', 'calibration text', EXAMPLE_CALIBRATION)
  .option('--samples <n>', 'windows of 512 tokens of the whole run', '128')
  .option('--pairs <n>', 'pairs of runs with and without the change of outputs', '3')
  .option('--only <section...>', `of ${SECTIONS.join(', ')}`)
  .parse()
  .opts<Flags>();

const scratch = await mkdtemp(path.join(tmpdir(), 'esparse-bench-'));
try {
  const model = flags.model ?? (await generated());
  const wanted = new Set(flags.only ?? SECTIONS);
  if (wanted.has('stream')) await benchTileStream();
  if (wanted.has('statistics')) await benchStatistics(model, flags.calibration);
  if (wanted.has('shuffle')) await benchLocalShuffle();
  if (wanted.has('memory')) await benchMemory(scratch);
  if (wanted.has('run')) await benchWholeRun(model, flags.calibration, Number(flags.samples), scratch);
  if (wanted.has('output-error'))
    await benchOutputError(model, flags.calibration, Number(flags.pairs), scratch);
} finally {
  await rm(scratch, { recursive: true, force: true });
}

async function generated(): Promise<string> {
  const directory = path.join(scratch, 'model');
  await writeRandomLlama(directory, { hidden: 512, intermediate: 1408, blocks: 8, heads: 8, kvHeads: 4 });
  return directory;
}
