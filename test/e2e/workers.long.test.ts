import { esparse, esparseJson, esparseWatched } from '../support/esparse.ts';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import { shardedRun, writeShardedModel } from '../support/sharded-model.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/workers.ts';

const at = scratchFolder();
const workers: WorkerProcess[] = [];
const worker = async (...args: string[]) => {
  const started = await startWorkerProcess('--threads', '1', '--root', at(), ...args);
  workers.push(started);
  return started;
};

const options = () => shardedRun(at('model'), 3);
const prune = (store: string, ...args: string[]) =>
  esparseJson('prune', ...options(), '--store', at(store), ...args);
const named = (...processes: WorkerProcess[]) => processes.flatMap(({ address }) => ['--worker', address]);

let whole: Awaited<ReturnType<typeof contentsOf>>;
let report: Record<string, unknown>;
/** Three that no test ends. */
let standing: WorkerProcess[];
beforeAll(async () => {
  await writeShardedModel(at('model'));
  standing = await Promise.all([worker(), worker(), worker()]);
  report = await prune('whole');
  whole = await contentsOf(at('whole'));
});
afterAll(() => Promise.all(workers.map(({ end }) => end('SIGKILL'))));

/** A prune whose events are watched: `on` is called with each line, and may act on the workers. */
async function pruneWatched(store: string, args: string[], on: (line: string) => void) {
  const lines = await esparseWatched(on, 'prune', ...options(), '--store', at(store), '--json', ...args);
  expect(JSON.parse(lines.at(-1)!)).toMatchObject({ event: 'finished' });
  expect(await contentsOf(at(store))).toEqual(whole);
  return lines;
}

const SECOND_BLOCK = '"block":2,"phase":"calibrate"';

test.each([1, 3])(
  '%d workers that combine give the store of one that streams, in fewer bytes',
  async (count) => {
    const processes = standing.slice(0, count);
    const combined = await prune(`combined-${count}`, '--combine', 'worker', ...named(...processes));
    expect(await contentsOf(at(`combined-${count}`))).toEqual(whole);
    expect(combined.wireBytes).toBeLessThan((report.wireBytes as number) / 10);
    expect((combined.peakResidentBytes as { workers: number[] }).workers).toHaveLength(count);
  },
);

test.each([[[]], [['--combine', 'worker']]])(
  'a worker killed in the middle of a block loses nothing, %j: another takes over, to the same bytes',
  async (how) => {
    const mortal = await worker();
    let killed = false;
    const lines = await pruneWatched(
      `killed-${how.length}`,
      [...how, ...named(mortal, standing[0]!)],
      (line) => {
        if (killed || !line.includes(SECOND_BLOCK)) return;
        killed = true;
        mortal.child.kill('SIGKILL');
      },
    );
    expect(killed).toBe(true);
    expect(lines.some((line) => line.includes('"event":"retry"'))).toBe(true);
  },
);

test('a worker that stands still is noticed, and a worker that comes later is used', async () => {
  const first = await worker();
  let second: Promise<WorkerProcess> | undefined;
  const address = first.address.replace(/\d+$/, (port) => String(Number(port) + 1));
  await pruneWatched('stopped', ['--worker', `${first.address},${address}`], (line) => {
    if (second !== undefined || !line.includes(SECOND_BLOCK)) return;
    first.child.kill('SIGSTOP');
    second = worker('--listen', address);
  });
  expect(second).toBeDefined();
});

test('a name that stands for several addresses is one target with several workers', async () => {
  const [first, second] = standing;
  const target = `ipv4:${first!.address},${second!.address}`;
  const combined = await prune('name', '--worker', target, '--combine', 'worker');
  expect((combined.peakResidentBytes as { workers: number[] }).workers).toHaveLength(2);
  expect(await contentsOf(at('name'))).toEqual(whole);
  const port = first!.address.split(':')[1]!;
  await prune('dns', '--worker', `dns:///localhost:${port}`, '--combine', 'worker');
  expect(await contentsOf(at('dns'))).toEqual(whole);
});

test('a worker that is stopped gives its shard back within its drain time, and ends with 0', async () => {
  const first = await worker('--drain-seconds', '0');
  let ended: Promise<number | null> | undefined;
  await pruneWatched('drained', named(first, standing[0]!), (line) => {
    if (line.includes(SECOND_BLOCK)) ended ??= first.end('SIGTERM');
  });
  await expect(ended).resolves.toBe(0);
});

test('workers that are not there are named, and the exit code says to try again', async () => {
  const nowhere = ['--worker', '127.0.0.1:1,127.0.0.1:2'];
  const outcome = await esparse('prune', ...options(), '--store', at('none'), ...nowhere);
  expect(outcome).toMatchObject({ code: 75 });
  expect(outcome.stderr).toContain(
    'no worker could be reached for 10 s at 127.0.0.1:1 (connect ECONNREFUSED 127.0.0.1:1), ' +
      '127.0.0.1:2 (connect ECONNREFUSED 127.0.0.1:2)',
  );
});
