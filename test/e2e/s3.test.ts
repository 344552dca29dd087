import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { startS3Server, type S3Server } from '@esparse/s3-server';
import { openObjects } from '@esparse/storage';
import { esparse, esparseJson } from '../support/esparse.ts';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import { objectsOf } from '../support/objects.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_EVALUATION, EXAMPLE_MODEL } from '../support/repository.ts';
import { serve } from '../support/serve.ts';

const at = scratchFolder();
const environment = { ...process.env };
let s3: S3Server;
beforeAll(async () => {
  await writeFile(at('text.txt'), (await readFile(EXAMPLE_EVALUATION, 'utf8')).slice(0, 20_000));
  s3 = await startS3Server();
  Object.assign(process.env, s3.environment, { XDG_CACHE_HOME: at('caches') });
  const bucket = await openObjects(`s3://${s3.bucket}/models/llama-2m`);
  for (const name of await readdir(EXAMPLE_MODEL)) {
    await bucket.put(name, [await readFile(path.join(EXAMPLE_MODEL, name))]);
  }
});
afterAll(async () => {
  process.env = environment;
  await s3.stop();
});

const store = (name: string) => `s3://${s3.bucket}/stores/${name}`;
const SMALL = ['--calibration', EXAMPLE_CALIBRATION, '--samples', '4', '--seqlen', '32'];
const options = (where: string, model = EXAMPLE_MODEL) => [...SMALL, '--model', model, '--store', where];

test('a checkpoint in a bucket pruned into a bucket gives the objects of a folder, and the store is sound', async () => {
  await esparseJson('prune', ...options(at('folder')));
  const report = await esparseJson('prune', ...options(store('whole'), `s3://${s3.bucket}/models/llama-2m/`));
  expect(report).toMatchObject({ event: 'finished', store: store('whole') });
  expect(await objectsOf(store('whole'))).toEqual(await contentsOf(at('folder')));
  expect(await esparse('verify', '--store', store('whole'))).toMatchObject({ code: 0 });
  expect(await esparseJson('inspect', '--store', store('whole'))).toMatchObject({
    run: report.run,
    finished: true,
  });
  // Nothing of the lease, of probes or of uploads.
  expect(
    (await readdir(path.join(s3.directory, s3.bucket, 'stores/whole'))).filter((name) =>
      name.startsWith('.'),
    ),
  ).toEqual([]);
});

test('a store in a bucket is evaluated, generated from and served through a cache of this machine', async () => {
  const evaluate = (where: string) =>
    esparseJson('eval', '--store', where, '--text', at('text.txt'), '--seqlen', '128').then(
      ({ perplexity }) => perplexity,
    );
  expect(await evaluate(store('whole'))).toBe(await evaluate(at('folder')));
  const text = ['generate', '--prompt', 'Once upon a time', '--max-tokens', '8', '--store'];
  const there = await esparse(...text, store('whole'));
  expect(there.code).toBe(0);
  const server = await serve('--store', store('whole'), '--cache-dir', at('cache'));
  try {
    const answer = await fetch(`${server.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'llama-2m', prompt: 'Once upon a time', max_tokens: 8, temperature: 0 }),
    });
    expect(answer.status).toBe(200);
    const { choices } = (await answer.json()) as { choices: { text: string }[] };
    expect(choices[0]!.text.trim()).toBe(there.stdout.trim());
  } finally {
    expect(await server.stop()).toBe(0);
  }
  expect(await readdir(at('cache'))).toHaveLength(1);
  expect(await readdir(at('caches/esparse'))).toHaveLength(1);
});
