import { drain } from './drain.ts';

/** Requests whose texts end, and whose answers leave, when the test says so. */
function requests(texts: number, answers: number) {
  const state = { texts, answers, aborted: false };
  return {
    state,
    texts: () => state.texts,
    answers: () => state.answers,
    abort() {
      state.aborted = true;
      state.texts = 0;
    },
  };
}

/** Says whether a promise has settled by now. */
function watched(promise: Promise<void>) {
  const state = { done: false };
  void promise.then(() => (state.done = true));
  return state;
}

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

test('texts that end in time are not aborted, and their answers may leave', async () => {
  const underWay = requests(1, 1);
  const draining = watched(drain(underWay, 10));
  await jest.advanceTimersByTimeAsync(500);
  expect([draining.done, underWay.state.aborted]).toEqual([false, false]);
  underWay.state.texts = 0;
  await jest.advanceTimersByTimeAsync(100);
  expect(draining.done).toBe(false);
  underWay.state.answers = 0;
  await jest.advanceTimersByTimeAsync(100);
  expect(draining.done).toBe(true);
});

test('texts that outlast the time are aborted', async () => {
  const underWay = requests(2, 0);
  const draining = watched(drain(underWay, 3));
  await jest.advanceTimersByTimeAsync(2_900);
  expect(underWay.state.aborted).toBe(false);
  await jest.advanceTimersByTimeAsync(200);
  expect([draining.done, underWay.state.aborted]).toEqual([true, true]);
});

test('a client that does not read its answer holds up the stop for a second at most', async () => {
  const draining = watched(drain(requests(0, 1), 3));
  await jest.advanceTimersByTimeAsync(900);
  expect(draining.done).toBe(false);
  await jest.advanceTimersByTimeAsync(200);
  expect(draining.done).toBe(true);
});
