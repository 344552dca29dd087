import { PassThrough } from 'node:stream';
import type { PruneEvent } from '@esparse/pruner';
import { committed, linear, note, progress, retry, started } from '../testing/prune-events.ts';
import { virtualTerminal } from '../testing/virtual-terminal.ts';
import { createReporter } from './reporter.ts';

const RETRY = 'a calibrate task is tried again: the worker has stopped';
const EVENTS: PruneEvent[] = [
  started(2),
  note('going on after block 1 of 4'),
  progress(1, 'calibrate', 64, 512),
  progress(1, 'calibrate', 512, 512),
  retry(RETRY),
  linear(1, 'q_proj'),
  committed(1, 2),
  progress(2, 'calibrate', 128, 512),
];

const LINES = [
  'run abc: llama m, 2 blocks, e-sparse 2:4, shuffle both, 8 x 64 tokens',
  'going on after block 1 of 4',
  RETRY,
  'block 1/2 committed after 1.3 s',
];

/** What a pipe gets. */
async function piped(json: boolean, isTTY = false, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 120 });
  const reporter = await createReporter({ json, stream, env });
  for (const event of EVENTS) reporter.emit(event);
  reporter.stop();
  return String(stream.read() ?? '');
}

test('--json prints every event as one line of JSON, on a terminal too', async () => {
  const lines = (await piped(true, true)).trim().split('\n');
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(EVENTS);
});

test('without a terminal there are plain lines for the run, its blocks and its notes, and none for each step', async () => {
  expect(await piped(false)).toBe(`${LINES.join('\n')}\n`);
});

test.each([{ TERM: 'dumb' }, { CI: 'true' }])(
  'a terminal that cannot redraw, %j, gets the same lines',
  async (env) => {
    expect(await piped(false, true, env)).toBe(await piped(false));
  },
);

describe('on a terminal', () => {
  beforeEach(() =>
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'setTimeout'] }),
  );
  afterEach(() => jest.useRealTimers());

  const run = async (columns: number) => {
    const terminal = virtualTerminal(columns);
    const reporter = await createReporter({ json: false, stream: terminal.stream, env: {} });
    for (const event of EVENTS) {
      jest.advanceTimersByTime(2_000);
      reporter.emit(event);
    }
    jest.advanceTimersByTime(2_000);
    return { terminal, reporter };
  };
  const unwrapped = (rows: readonly string[]) => rows.join('');

  test.each([40, 80, 110, 200])(
    'of %d columns what a pipe shows stays, and live lines stand below it, none wrapped',
    async (columns) => {
      const { terminal, reporter } = await run(columns);
      const rows = await terminal.rows();
      expect(unwrapped(rows)).toContain(LINES.join(''));
      const live = rows.slice(rows.findIndex((row) => row.includes('committed after')) + 1);
      expect(live).toHaveLength(5);
      expect(live[0]).toMatch(/\d+ % {2}block 2\/2 {2}\d+s left$/);
      if (columns >= 80) expect(live[0]).toMatch(/^█+░+ /);
      expect(live[1]).toMatch(/^calibrate {2}128\/512 tokens/);
      expect(live[2]).toBe('workers    1 connected: 127.0.0.1:1');
      expect(live[3]).toMatch(/^most time {2}calibrate 100 %, memory /);
      expect(live[4]).toMatch(/^note {7}a calibrate task is tried/);
      reporter.stop();
      const left = unwrapped(await terminal.rows());
      expect(left).toBe(LINES.join(''));
    },
  );

  test('that becomes narrower or wider, nothing that was drawn is left behind, and nothing printed is lost', async () => {
    const { terminal, reporter } = await run(110);
    for (const columns of [60, 40, 30, 110, 200, 80]) {
      await terminal.resize(columns);
      jest.advanceTimersByTime(500);
      const text = unwrapped(await terminal.rows());
      expect(text).toContain(LINES.join(''));
      expect(text.match(/ % /g)).toHaveLength(1);
      expect(text.match(/connected/g)).toHaveLength(1);
    }
    reporter.stop();
    expect(unwrapped(await terminal.rows())).toBe(LINES.join(''));
  });

  test('nothing is counted before there is something to count', async () => {
    const terminal = virtualTerminal(80);
    const reporter = await createReporter({ json: false, stream: terminal.stream, env: {} });
    expect(await terminal.rows()).toEqual(['opening the model and its workers ...']);
    reporter.emit(started(2));
    expect(unwrapped(await terminal.rows())).not.toMatch(/0\/0|NaN|Infinity|0s left/);
    reporter.stop();
  });
});
