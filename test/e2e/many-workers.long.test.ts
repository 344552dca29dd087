import { esparseJson, esparseWatched } from '../support/esparse.ts';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_MODEL } from '../support/repository.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/workers.ts';

const at = scratchFolder();
const workers: WorkerProcess[] = [];
beforeAll(async () => {
  const options = ['--threads', '1', '--root', EXAMPLE_MODEL, '--root', at()];
  workers.push(...(await Promise.all([startWorkerProcess(...options), startWorkerProcess(...options)])));
});
afterAll(() => Promise.all(workers.map(({ end }) => end('SIGKILL'))));

/** Two shards. */
const PRUNE = [
  ...['prune', '--model', EXAMPLE_MODEL, '--calibration', EXAMPLE_CALIBRATION],
  ...['--samples', '96', '--seqlen', '256', '--shuffle', 'none', '--json'],
];

test('a worker killed in the middle of a block loses nothing: another takes over, to the same bytes', async () => {
  await esparseJson(...PRUNE, '--store', at('whole'));
  const targets = workers.flatMap(({ address }) => ['--worker', address]);
  let killed = false;
  const lines = await esparseWatched(
    (line) => {
      if (killed || !line.includes('"block":2,"phase":"calibrate"')) return;
      killed = true;
      workers[0]!.child.kill('SIGKILL');
    },
    ...[...PRUNE, '--store', at('killed'), ...targets],
  );
  expect(killed).toBe(true);
  expect(lines.some((line) => line.includes('"event":"retry"'))).toBe(true);
  expect(JSON.parse(lines.at(-1)!)).toMatchObject({ event: 'finished' });
  expect(await contentsOf(at('killed'))).toEqual(await contentsOf(at('whole')));
});
