import { PassThrough } from 'node:stream';
import { createProgress } from './progress.ts';

const screen = (isTTY: boolean) => Object.assign(new PassThrough(), { isTTY, columns: 20 });
const written = (stream: PassThrough) => String(stream.read() ?? '');

test('on a terminal a line is redrawn in its place, never wider than the terminal, and nothing is left of it', () => {
  const stream = screen(true);
  const progress = createProgress(stream);
  progress.show('evaluating: 10 %, 1 of 10 windows');
  expect(written(stream)).toContain('evaluating: 10 %, 1');
  progress.show('evaluating: 20 %');
  const next = written(stream);
  expect(next).toMatch(/^\u001b\[1G/);
  expect(next).not.toContain('\n');
  progress.end();
  expect(written(stream)).toMatch(/\u001b\[2K$/);
});

test('elsewhere what is short says nothing, and lines come at most each ten seconds', () => {
  jest.useFakeTimers();
  const stream = screen(false);
  const progress = createProgress(stream);
  for (let second = 0; second < 25; second++) {
    progress.show(`second ${second}`);
    jest.advanceTimersByTime(1000);
  }
  progress.end();
  expect(written(stream)).toBe('second 10\nsecond 20\n');
  jest.useRealTimers();
});
