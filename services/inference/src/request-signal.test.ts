import { requestSignal } from './request-signal.ts';

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

test('a request whose time is up is given up as a timeout, whatever protocol it came by', () => {
  const { signal } = requestSignal(2);
  jest.advanceTimersByTime(1_999);
  expect(signal.aborted).toBe(false);
  jest.advanceTimersByTime(1);
  expect(signal.reason).toMatchObject({ kind: 'timeout', code: 'request_timeout' });
});

test('a request whose client has gone is cancelled', () => {
  const { signal, clientGone } = requestSignal(2);
  clientGone();
  expect(signal.reason).toMatchObject({ kind: 'cancelled', code: 'client_gone' });
  jest.runAllTimers();
  expect(signal.reason).toMatchObject({ kind: 'cancelled' });
});

test('a request that was answered is not given up later', () => {
  const { signal, done } = requestSignal(2);
  done();
  jest.runAllTimers();
  expect(signal.aborted).toBe(false);
});
