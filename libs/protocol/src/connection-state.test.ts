import { createConnectionState } from './connection-state.ts';

test('why no worker is connected is kept between two tries, and forgotten once one is', () => {
  const state = createConnectionState();
  expect([state.ready, state.trouble]).toEqual([0, undefined]);
  state.onReady(0, 'No connection established. Last error: connect ECONNREFUSED');
  state.onReady(0, 'No connection established. Last error: null');
  state.onReady(0, null);
  expect(state.trouble).toMatch(/ECONNREFUSED/);
  state.onReady(2, null);
  expect([state.ready, state.trouble]).toEqual([2, undefined]);
});

test('each change is reported to whoever watches now', () => {
  const state = createConnectionState();
  const seen: number[] = [];
  state.onReady(1, null);
  state.onChange = () => seen.push(state.ready);
  state.onReady(2, null);
  state.onReady(0, 'lost');
  expect(seen).toEqual([2, 0]);
});

test('bytes of all messages are counted', () => {
  const state = createConnectionState();
  for (const bytes of [3, 4]) state.onMessage(bytes);
  expect(state.wireBytes).toBe(7);
});
