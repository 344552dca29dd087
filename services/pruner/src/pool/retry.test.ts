import { EsparseError, type ErrorKind } from '@esparse/errors';
import { createRetryPolicy, MAX_ATTEMPTS, mayPass } from './retry.ts';

const error = (kind: ErrorKind) => new EsparseError(kind, `it is ${kind}`);

function policy(waitMs = 1000) {
  const clock = { ms: 0 };
  return { clock, retries: createRetryPolicy(waitMs, () => clock.ms) };
}

beforeEach(() => {
  // The middle of every pause.
  jest.spyOn(Math, 'random').mockReturnValue(0.5);
});
afterEach(() => {
  jest.restoreAllMocks();
});

test('pauses double with each failure, and the last attempt has none', () => {
  const { retries } = policy();
  const pauses = Array.from({ length: MAX_ATTEMPTS }, () => retries.pauseAfter(error('unavailable')));
  expect(pauses).toEqual([400, 800, 1600, 3200, undefined]);
});

test('refusals of busy workers do not count as failures, and are waited out for a bounded time', () => {
  const { clock, retries } = policy();
  for (const ms of [0, 500, 999]) {
    clock.ms = ms;
    expect(retries.pauseAfter(error('busy'))).toBe(200);
  }
  expect(retries.pauseAfter(error('unavailable'))).toBe(400);
  // The time counts from the first refusal after another failure.
  clock.ms = 1500;
  expect(retries.pauseAfter(error('busy'))).toBe(200);
  clock.ms = 2500;
  expect(retries.pauseAfter(error('busy'))).toBeUndefined();
});

test.each<ErrorKind>(['denied', 'store', 'usage', 'numeric'])('what is %s does not pass', (kind) => {
  expect(mayPass(error(kind))).toBe(false);
  expect(policy().retries.pauseAfter(error(kind))).toBeUndefined();
});

test.each<ErrorKind>(['busy', 'unavailable', 'internal', 'cancelled'])('what is %s may pass', (kind) => {
  expect(mayPass(error(kind))).toBe(true);
});
