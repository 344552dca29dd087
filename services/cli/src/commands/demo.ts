import { rm } from 'node:fs/promises';
import { Command } from 'commander';
import type { PruneReport } from '@esparse/pruner';
import { withCancellation } from '../cancel.ts';
import { askServer } from '../demo/ask-server.ts';
import { answerReport, pruningReport, type Evaluation } from '../demo/demo-report.ts';
import { EXAMPLE } from '../demo/example.ts';
import { runCommand } from '../demo/run-command.ts';
import { ownCommand } from '../own-command.ts';

/** In the current folder. */
const STORE = 'out/demo.zarr';
// A model this small has little to spare: without the reconstruction of what is left, 2:4 costs it its English.
const PIPELINE = 'e-sparse-reconstruct';
const REPORT = 'out/demo.html';
const PROMPT = 'Once upon a time';

/** `esparse demo` */
export function demoCommand(): Command {
  return new Command('demo')
    .description(
      `Shows what esparse does: prunes the small model that comes with it into ${STORE}, measures its perplexity before ` +
        'and after on a text that the calibration has not seen, then serves it, asks for one completion, and writes a page of pictures.',
    )
    .action(() => withCancellation(run));
}

/** Everything goes through the command line, as a user would. */
async function run(signal: AbortSignal): Promise<void> {
  const write = (text: string) => process.stdout.write(text);
  const { model, calibration, evaluation } = EXAMPLE;
  write(`Pruning examples/models/llama-2m to 2:4 with ${PIPELINE} ...\n`);
  await rm(STORE, { recursive: true, force: true });
  const measure = async (...what: string[]) =>
    (await runCommand('eval', [...what, '--text', evaluation], signal)) as Evaluation;
  const dense = await measure('--model', model);
  const pruned = (await runCommand(
    'prune',
    ['--model', model, '--calibration', calibration, '--pipeline', PIPELINE, '--figures', '--store', STORE],
    signal,
  )) as PruneReport;
  const sparse = await measure('--store', STORE);
  write(`\n${pruningReport(dense, pruned, sparse)}`);
  write(`\n${pruned.blocks} blocks in ${STORE}, run ${pruned.run}\n`);
  write(`\n${answerReport(PROMPT, await askServer(STORE, PROMPT, signal))}`);
  await runCommand('report', ['--store', STORE, '--out', REPORT], signal);
  write(`\nThe run in pictures: ${REPORT}, to be opened in a browser\n`);
  write(`\nNext: ${ownCommand()} serve --store ${STORE}\n`);
}
