/**
 * The demo: prunes the example model to 2:4 with `esparse prune`, which starts its own worker, and reconstructs the
 * weights that are left; measures the perplexity before and after on a text that the calibration has not seen, then
 * serves the pruned model and asks it for one completion. Everything goes through the command line, as a user would.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
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

/** Serves the store on a free port, asks for one completion, and stops the server. */
async function complete(prompt) {
  const server = spawn(
    process.execPath,
    [esparse, 'serve', '--store', store, '--port', '0', '--log-level', 'warn'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const exited = once(server, 'exit');
  try {
    const lines = createInterface(server.stdout);
    const [line] = await Promise.race([
      once(lines, 'line'),
      exited.then(([code]) => {
        throw new Error(`esparse serve ended with ${code}`);
      }),
    ]);
    const url = /http:\S+/.exec(line)[0];
    const started = performance.now();
    const response = await fetch(`${url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'llama-2m', prompt, max_tokens: 48, temperature: 0 }),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(`esparse serve answered ${response.status}: ${answer.error?.message}`);
    return {
      url,
      text: answer.choices[0].text,
      usage: answer.usage,
      seconds: (performance.now() - started) / 1000,
    };
  } finally {
    server.kill('SIGTERM');
    await exited;
  }
}

const MIB = 1024 * 1024;
const row = (name, ...values) =>
  console.log(name.padEnd(34) + values.map((value) => value.padStart(14)).join(''));

// A model this small has little to spare: without the reconstruction of what is left, 2:4 costs it its English.
const pipeline = 'e-sparse-reconstruct';
console.log(`Pruning examples/models/llama-2m to 2:4 with ${pipeline} ...`);
await rm(store, { recursive: true, force: true });
const dense = await run('eval', '--model', model, '--text', evaluation);
const options = ['--model', model, '--calibration', calibration, '--pipeline', pipeline];
const pruned = await run('prune', ...options, '--store', store);
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

const prompt = 'Once upon a time';
const { url, text, usage, seconds } = await complete(prompt);
console.log(
  `\nServed on ${url}: ${usage.completion_tokens} tokens in ${seconds.toFixed(2)} s, straight from the store`,
);
console.log(`> ${prompt}${text.replaceAll('\n', '\n> ')}`);
console.log('\nNext: npx esparse serve --store out/demo.zarr');
