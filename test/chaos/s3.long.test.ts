/** The same over S3: a pruner killed at every kind of request that changes the bucket, to the same objects. */
import { startS3Server, type S3Server } from '@esparse/s3-server';
import { scratchFolder } from '../support/folders.ts';
import { objectsOf } from '../support/objects.ts';
import { EXAMPLE_MODEL } from '../support/repository.ts';
import { changesOf, chosen, killAtEach, startPrune, startWorker } from './victims.ts';

// A bound of what hangs, not of what is slow: a run for each kind of request.
jest.setTimeout(20 * 60_000);

const at = scratchFolder();
const environment = { ...process.env };
let s3: S3Server;
beforeAll(async () => {
  s3 = await startS3Server();
  Object.assign(process.env, s3.environment);
});
afterAll(async () => {
  process.env = environment;
  await s3.stop();
});

test('a pruner that is killed before or after a request of any kind goes on, to the same objects', async () => {
  const place = (name: string | number) => `s3://${s3.bucket}/chaos/${name}`;
  const { address, stop } = await startWorker(EXAMPLE_MODEL, place('').slice(0, -1));
  try {
    const worker = ['--worker', address];
    const { code, stderr } = await startPrune({ store: place('whole'), log: at('requests') }, ...worker).end;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const whole = await objectsOf(place('whole'));
    const kinds = [...new Set(await changesOf(at('requests'), 'prune'))];
    for (const kind of ['PUT lock', 'PUT array', 'PUT block', 'PUT dense', 'PUT run', 'PUT root']) {
      expect(kinds).toEqual(expect.arrayContaining([`${kind}, unsent`, `${kind}, answered`]));
    }
    const kills = chosen(kinds).map((kind) => ({ prune: { kind } }));
    const check = async (store: string) => {
      expect(await objectsOf(store)).toEqual(whole);
    };
    await killAtEach({ place, check }, kills, ...worker);
  } finally {
    await stop();
  }
});
