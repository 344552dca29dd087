import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import { ESPARSE, EXAMPLE_CALIBRATION, EXAMPLE_MODEL } from '../support/repository.ts';
import { startCollector, type CollectedSpan } from '../support/trace-collector.ts';

const at = scratchFolder();
const SMALL = [
  '--model',
  EXAMPLE_MODEL,
  '--calibration',
  EXAMPLE_CALIBRATION,
  '--samples',
  '4',
  '--seqlen',
  '32',
];

/** Prunes with a collector named in the environment, which the worker that is started inherits. */
async function pruneTraced(store: string, endpoint: string): Promise<string> {
  const args = [ESPARSE, 'prune', ...SMALL, '--store', at(store), '--shuffle', 'none', '--json'];
  const env = { ...process.env, OTEL_EXPORTER_OTLP_ENDPOINT: endpoint };
  return (await promisify(execFile)(process.execPath, args, { env, maxBuffer: 64 * 1024 * 1024 })).stdout;
}

test("a trace goes from the run over its blocks, phases and tasks into the worker's calls", async () => {
  const collector = await startCollector();
  await pruneTraced('traced', collector.url);
  collector.close();

  const { spans } = collector;
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const lineOf = (span: CollectedSpan | undefined): string[] =>
    span === undefined ? [] : [...lineOf(byId.get(span.parentSpanId ?? '')), `${span.service}:${span.name}`];
  const lines = new Set(spans.map((span) => lineOf(span).join(' > ').replaceAll('esparse-', '')));
  const block = 'prune:run > prune:block';
  expect(lines).toContain(`${block} > prune:calibrate > prune:calibrate > worker:StreamActivations`);
  expect(lines).toContain(`${block} > prune:advance > prune:advance > worker:AdvanceShard`);
  expect(lines).toContain(`${block} > prune:commit`);
  expect(lines).toContain(`${block} > prune:prune`);
  expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(1);

  const run = spans.find(({ name }) => name === 'run')!.attributes['esparse.run'];
  expect(run).toMatch(/^[0-9a-f]{8,}$/);
  const call = spans.find(({ name }) => name === 'AdvanceShard')!;
  expect(call.attributes).toEqual({
    'esparse.run': run,
    'esparse.block': call.attributes['esparse.block'],
    'esparse.shards': [0],
  });
  expect(byId.get(call.parentSpanId!)!.attributes).toEqual({
    'esparse.block': call.attributes['esparse.block'],
    'esparse.shards': [0],
    'esparse.worker': expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    'esparse.attempt': 1,
  });
});

test('a collector that is not there changes nothing of a run', async () => {
  const stdout = await pruneTraced('untraced', 'http://127.0.0.1:1');
  expect(await contentsOf(at('untraced'))).toEqual(await contentsOf(at('traced')));
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { event: string; run?: string });
  const { run } = events.find(({ event }) => event === 'started')!;
  expect(new Set(events.map((event) => event.run))).toEqual(new Set([run]));
});
