import { keepPace, LEAST_BYTES, PATIENCE_MS } from './pace.ts';

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

function watched() {
  const givenUp = jest.fn();
  return { pace: keepPace(givenUp), givenUp };
}

test('an answer that does not begin is given up, and it is said for how long nothing came', () => {
  const { pace, givenUp } = watched();
  jest.advanceTimersByTime(PATIENCE_MS - 1);
  expect(pace.fault).toBeUndefined();
  jest.advanceTimersByTime(1);
  expect(givenUp).toHaveBeenCalledTimes(1);
  expect(pace.fault).toBe('no answer within 60 s');
});

test('a body that comes a byte a second is given up after the same time', () => {
  const { pace, givenUp } = watched();
  pace.answered();
  for (let ms = 0; ms < PATIENCE_MS; ms += 1000) {
    expect(givenUp).not.toHaveBeenCalled();
    jest.advanceTimersByTime(1000);
    pace.received(1);
  }
  expect(givenUp).toHaveBeenCalledTimes(1);
  expect(pace.fault).toBe('less than 256 KiB within 60 s');
});

test('a body that keeps the least rate takes as long as it is', () => {
  const { pace, givenUp } = watched();
  pace.answered();
  for (let piece = 0; piece < 100; piece++) {
    jest.advanceTimersByTime(PATIENCE_MS - 1);
    pace.received(LEAST_BYTES);
  }
  pace.stop();
  jest.advanceTimersByTime(2 * PATIENCE_MS);
  expect(givenUp).not.toHaveBeenCalled();
  expect(pace.fault).toBeUndefined();
});
