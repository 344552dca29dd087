/** A bucket whose server dies in the middle of a block, and comes back: at once, or after the run has given up. */
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { startS3Server, type S3Server } from '@esparse/s3-server';
import { esparse, esparseJson, esparseUntil } from '../support/esparse.ts';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import { objectsOf } from '../support/objects.ts';
import { serve } from '../support/serve.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_MODEL } from '../support/repository.ts';

const at = scratchFolder();
const environment = { ...process.env };
let s3: S3Server;
let undisturbed: Record<string, string>;
beforeAll(async () => {
  s3 = await startS3Server();
  await esparseJson(...prune(at('undisturbed')));
  undisturbed = await contentsOf(at('undisturbed'));
});
beforeEach(() => {
  process.env = { ...environment, ...s3.environment };
});
afterAll(async () => {
  process.env = environment;
  await s3.stop();
});

const prune = (store: string) => [
  ...['prune', '--model', EXAMPLE_MODEL, '--calibration', EXAMPLE_CALIBRATION, '--store', store],
  ...['--samples', '4', '--seqlen', '32', '--threads', '1'],
];

/** Prunes, and kills the server when the first linear of the second block is in; the run goes on meanwhile. */
async function pruneAndKill(
  store: string,
): Promise<{ end: Promise<{ code: number | null; stderr: string }> }> {
  const isAt = (line: string) => line.includes('"event":"linear"') && line.includes('"block":2');
  const child = await esparseUntil(isAt, ...prune(store), '--json');
  let stderr = '';
  child.stderr!.on('data', (text: Buffer) => (stderr += text.toString()));
  const end = once(child, 'close').then(([code]) => ({ code: code as number | null, stderr }));
  await s3.kill();
  return { end };
}

test('a server that is back within the retries costs time, and not a bit of the store', async () => {
  // Pauses of half a minute in all, on average: the server needs a second or two.
  process.env.AWS_MAX_ATTEMPTS = '11';
  const store = `s3://${s3.bucket}/short`;
  const { end } = await pruneAndKill(store);
  await s3.restart();
  expect(await end).toEqual({ code: 0, stderr: '' });
  expect(await objectsOf(store)).toEqual(undisturbed);
});

test('one that stays away ends the run with 75; once it is back the same command goes on after the last commit', async () => {
  process.env.AWS_MAX_ATTEMPTS = '2';
  const store = `s3://${s3.bucket}/long`;
  const { end } = await pruneAndKill(store);
  const { code, stderr } = await end;
  expect(stderr).toMatch(/^error: cannot .* s3:\/\/test-bucket\/long\/.* cannot be reached/);
  expect(stderr).toContain('what is committed stays');
  expect(code).toBe(75);
  await s3.restart();
  const again = await esparse(...prune(store));
  expect(again).toMatchObject({ code: 0, stderr: '' });
  expect(again.stdout).toContain('going on after block 1 of 4');
  expect(await objectsOf(store)).toEqual(undisturbed);
});

test('a server that follows new runs serves one that S3 did not give at first, once S3 gives it', async () => {
  process.env.AWS_MAX_ATTEMPTS = '1';
  const store = `s3://${s3.bucket}/served`;
  await esparseJson(...prune(store));
  const server = await serve('--store', store, '--watch', '--cache-dir', at('cache'), '--threads', '1');
  const run = async () => ((await (await fetch(`${server.url}/info`)).json()) as { run: string }).run;
  const before = await run();
  // Of the new run the server alone reads this.
  await s3.fault({ method: 'GET', url: 'model.norm.weight/c', times: 10_000, reset: 'before' });
  await esparseJson(...prune(store), '--pattern', '1:4');
  const refused = () => server.log.some((line) => line.includes('the new run is refused'));
  while (!refused()) await sleep(50);
  expect(await run()).toBe(before);
  await s3.fault();
  while ((await run()) === before) await sleep(50);
  expect(await server.stop()).toBe(0);
});
