/**
 * The demo: prunes the example model to 2:4 with `esparse prune`, which starts its own worker, and measures the
 * perplexity before and after on a text that the calibration has not seen. Everything goes through the command line,
 * as a user would.
 */
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const home = path.join(import.meta.dirname, '..');
const esparse = path.join(home, 'services/cli/bin/esparse.mjs');
const model = path.join(import.meta.dirname, 'models/llama-2m');
const calibration = path.join(import.meta.dirname, 'text/calibration.txt');
const evaluation = path.join(import.meta.dirname, 'text/evaluation.txt');
const store = path.join(home, 'out/demo.zarr');

/** Runs `esparse … --json` and gives its last line; what it says on standard error is shown. */
async function run(...args) {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [esparse, ...args, '--json'], {
    maxBuffer: 64 * 1024 * 1024,
  });
  process.stderr.write(stderr);
  return JSON.parse(stdout.trim().split('\n').at(-1));
}

const MIB = 1024 * 1024;
const row = (name, ...values) =>
  console.log(name.padEnd(34) + values.map((value) => value.padStart(14)).join(''));

console.log('Pruning examples/models/llama-2m to 2:4 with E-Sparse ...');
await rm(store, { recursive: true, force: true });
const dense = await run('eval', '--model', model, '--text', evaluation);
const pruned = await run('prune', '--model', model, '--calibration', calibration, '--store', store);
const sparse = await run('eval', '--store', store, '--text', evaluation);

console.log();
row('', 'dense', '2:4');
row('perplexity', dense.perplexity.toFixed(2), sparse.perplexity.toFixed(2));
row('linears, MiB', (pruned.denseLinearBytes / MIB).toFixed(3), (pruned.linearBytes / MIB).toFixed(3));
row('linears, % of dense', '100.00', ((pruned.linearBytes / pruned.denseLinearBytes) * 100).toFixed(2));
console.log();
for (const [phase, seconds] of Object.entries(pruned.seconds)) row(`seconds, ${phase}`, seconds.toFixed(2));
row('seconds, eval', dense.seconds.toFixed(2), sparse.seconds.toFixed(2));
row('peak memory of prune, MiB', (pruned.peakResidentBytes.pruner / MIB).toFixed(0));
row('peak memory of its worker, MiB', (pruned.peakResidentBytes.workers[0] / MIB).toFixed(0));
console.log(`\n${pruned.blocks} blocks in ${path.relative(home, store)}, run ${pruned.run}`);
console.log('Next: npx esparse inspect --store out/demo.zarr');
