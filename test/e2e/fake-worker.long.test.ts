import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describeModel } from '@esparse/model';
import { startFakeWorker, type FakeWorker } from '@esparse/testing';
import { esparseJson } from '../support/esparse.ts';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_MODEL } from '../support/repository.ts';

const at = scratchFolder();
let fake: FakeWorker;

beforeAll(async () => {
  const config = JSON.parse(await readFile(path.join(EXAMPLE_MODEL, 'config.json'), 'utf8')) as Record<
    string,
    unknown
  >;
  const { taps } = describeModel(config);
  fake = await startFakeWorker({
    taps: Object.fromEntries(taps.map(({ name, channels }) => [name, channels])),
  });
});
afterAll(() => fake.close());

const prune = (store: string, ...args: string[]) =>
  esparseJson(
    ...['prune', '--model', EXAMPLE_MODEL, '--calibration', EXAMPLE_CALIBRATION, '--store', at(store)],
    ...['--samples', '8', '--seqlen', '64', '--worker', fake.address, ...args],
  );

test('a fake worker serves a whole run; folding inside it gives the same store', async () => {
  const report = await prune('streamed');
  expect(report).toMatchObject({ event: 'finished', blocks: 4 });
  expect(report.keptScoreGain).toBeGreaterThan(0);
  expect(new Set(fake.calls)).toEqual(
    new Set(['Describe', 'OpenModel', 'OpenShard', 'StreamActivations', 'AdvanceShard']),
  );
  await prune('combined', '--combine', 'worker');
  expect(await contentsOf(at('combined'))).toEqual(await contentsOf(at('streamed')));
});
