import type { Observable } from 'rxjs';
import { marbles } from '@esparse/laws';
import { commit } from './commit.ts';

interface Work {
  readonly write: Observable<unknown>;
  readonly commit: Observable<string>;
  readonly abort: Observable<unknown>;
}

function sinkOf({ write, commit: committed, abort }: Work) {
  const calls: string[] = [];
  return {
    calls,
    open: () => ({
      write: (part: string) => {
        calls.push(`write ${part}`);
        return write;
      },
      commit: () => {
        calls.push('commit');
        return committed;
      },
      abort: () => {
        calls.push('abort');
        return abort;
      },
    }),
  };
}

test('parts are written one after the other, and the commit comes after the last', async () => {
  const calls = await marbles(({ cold, hot, expectObservable, expectSubscriptions }) => {
    const parts = hot('  a-b|       ');
    const sink = sinkOf({ write: cold('---(x|)'), commit: cold('--c|'), abort: cold('|') });
    expectObservable(parts.pipe(commit(sink.open))).toBe('--------c|');
    expectSubscriptions(parts.subscriptions).toBe('^--!');
    return sink.calls;
  });
  expect(calls).toEqual(['write a', 'write b', 'commit']);
});

test('a stream that fails aborts the sink, commits nothing, and passes the error on after the clean-up', async () => {
  const calls = await marbles(({ cold, hot, expectObservable }) => {
    const sink = sinkOf({ write: cold('-|'), commit: cold('c|'), abort: cold('---|') });
    expectObservable(hot('a--#').pipe(commit(sink.open))).toBe('------#');
    return sink.calls;
  });
  expect(calls).toEqual(['write a', 'abort']);
});

test('a write that fails aborts the sink and stops the parts', async () => {
  const calls = await marbles(({ cold, hot, expectObservable, expectSubscriptions }) => {
    const parts = hot('a-b-c|');
    const sink = sinkOf({ write: cold('-#', {}, 'full'), commit: cold('c|'), abort: cold('-|') });
    expectObservable(parts.pipe(commit(sink.open))).toBe('--#', {}, 'full');
    expectSubscriptions(parts.subscriptions).toBe('^!');
    return sink.calls;
  });
  expect(calls).toEqual(['write a', 'abort']);
});

test('a commit that fails aborts the sink', async () => {
  const calls = await marbles(({ cold, hot, expectObservable }) => {
    const sink = sinkOf({ write: cold('|'), commit: cold('--#', {}, 'full'), abort: cold('-|') });
    expectObservable(hot('a|').pipe(commit(sink.open))).toBe('----#', {}, 'full');
    return sink.calls;
  });
  expect(calls).toEqual(['write a', 'commit', 'abort']);
});

test('a subscriber that leaves aborts the sink', async () => {
  const calls = await marbles(({ cold, hot, expectObservable, expectSubscriptions }) => {
    const parts = hot('a--b--c|');
    const sink = sinkOf({ write: cold('|'), commit: cold('c|'), abort: cold('|') });
    expectObservable(parts.pipe(commit(sink.open)), '^---!').toBe('-----');
    expectSubscriptions(parts.subscriptions).toBe('^---!');
    return sink.calls;
  });
  expect(calls).toEqual(['write a', 'write b', 'abort']);
});

test('a subscriber that leaves after the commit takes nothing back', async () => {
  const calls = await marbles(({ cold, hot, expectObservable }) => {
    const sink = sinkOf({ write: cold('|'), commit: cold('c---|'), abort: cold('|') });
    expectObservable(hot('a|').pipe(commit(sink.open)), '^--!').toBe('-c');
    return sink.calls;
  });
  expect(calls).toEqual(['write a', 'commit']);
});
