/**
 * `npm run bench:serve`: the promises of the server about load, memory and its event loop, measured from outside. By
 * default on a generated model with the sizes of the small examples; `--store` takes a real one.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
import { esparse } from '../support/esparse.ts';
import { writeRandomLlama } from '../support/random-model.ts';
import { EXAMPLE_CALIBRATION } from '../support/repository.ts';
import { benchBodies } from './serve-bodies.ts';
import { benchLoad } from './serve-load.ts';
import { benchSoak } from './serve-soak.ts';
import { startMeasured } from './server-process.ts';

interface Flags {
  readonly store?: string;
  readonly clients: string;
  readonly seconds: string;
  readonly requests: string;
  readonly threads?: string;
}

const flags = new Command('bench:serve')
  .option('--store <dir>', 'store to serve (default: a generated LLaMA of 8 blocks of 512 / 1408, 2:4)')
  .option('--clients <n>', 'streaming clients', '200')
  .option('--seconds <n>', 'time of the load', '60')
  .option('--requests <n>', 'requests of the soak', '10000')
  .option('--threads <n>', "the engine's threads (default: all processors)")
  .parse()
  .opts<Flags>();

const scratch = await mkdtemp(path.join(tmpdir(), 'esparse-bench-'));
try {
  const server = await startMeasured(
    flags.store ?? (await generated()),
    flags.threads === undefined ? [] : ['--threads', flags.threads],
  );
  try {
    const { data } = (await (await fetch(`${server.url}/v1/models`)).json()) as { data: { id: string }[] };
    const model = data[0]!.id;
    await benchLoad(server, model, Number(flags.clients), Number(flags.seconds));
    await benchBodies(server, model);
    await benchSoak(server, model, Number(flags.requests));
  } finally {
    await server.stop();
  }
} finally {
  await rm(scratch, { recursive: true, force: true });
}

async function generated(): Promise<string> {
  const model = path.join(scratch, 'model');
  const store = path.join(scratch, 'store');
  await writeRandomLlama(model, { hidden: 512, intermediate: 1408, blocks: 8, heads: 8, kvHeads: 4 });
  const { code, stderr } = await esparse(
    ...['prune', '--model', model, '--calibration', EXAMPLE_CALIBRATION, '--store', store],
    ...['--pipeline', 'magnitude', '--samples', '2', '--seqlen', '32'],
  );
  if (code !== 0) throw new Error(`esparse prune ended with ${code}: ${stderr}`);
  return store;
}
