import { PassThrough } from 'node:stream';
import type { PruneEvent } from '@esparse/pruner';
import { createReporter } from './prune-reporter.ts';

const EVENTS: PruneEvent[] = [
  {
    event: 'started',
    run: 'abc',
    model: 'm',
    family: 'llama',
    blocks: 2,
    pipeline: 'e-sparse',
    pattern: '2:4',
    shuffle: 'both',
    samples: 8,
    seqlen: 64,
    shards: 1,
    workers: ['127.0.0.1:1'],
  },
  { event: 'progress', block: 0, phase: 'calibrate', done: 64, total: 512, unit: 'tokens' },
  { event: 'progress', block: 0, phase: 'calibrate', done: 512, total: 512, unit: 'tokens' },
  { event: 'linear', block: 0, linear: 'q_proj', keptScoreGain: 0.02, bytes: 9, denseBytes: 16 },
  { event: 'committed', block: 0, blocks: 2, seconds: 1.25 },
];

function shown(json: boolean, isTTY: boolean): string {
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 120 });
  const reporter = createReporter({ json, stream });
  for (const event of EVENTS) reporter.emit(event);
  reporter.stop();
  return String(stream.read() ?? '');
}

test('--json prints every event as one line of JSON', () => {
  const lines = shown(true, true).trim().split('\n');
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(EVENTS);
});

test('without a terminal there are plain lines for the run and its blocks, and none for each step', () => {
  expect(shown(false, false)).toBe(
    'run abc: llama m, 2 blocks, e-sparse 2:4, shuffle both, 8 x 64 tokens\nblock 1/2 committed after 1.3 s\n',
  );
});

test('a terminal shows a bar with block, phase, rate and time left', () => {
  expect(shown(false, true)).toMatch(/block 1\/2.*calibrate.*tokens\/s.*left/);
});
