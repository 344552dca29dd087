import { TestScheduler } from 'rxjs/testing';
import type { Observable } from 'rxjs';
import { commit } from './commit.ts';

interface Marbles {
  readonly write: Observable<unknown>;
  readonly commit: Observable<string>;
  readonly abort: Observable<unknown>;
}

function run(test: (helpers: Parameters<Parameters<TestScheduler['run']>[0]>[0]) => void): void {
  new TestScheduler((actual, expected) => {
    expect(actual).toEqual(expected);
  }).run(test);
}

function sinkOf({ write, commit: committed, abort }: Marbles) {
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

test('parts are written one after the other, and the commit comes after the last', () => {
  run(({ cold, hot, expectObservable, expectSubscriptions, flush }) => {
    const parts = hot('  a-b|       ');
    const sink = sinkOf({ write: cold('---(x|)'), commit: cold('--c|'), abort: cold('|') });
    expectObservable(parts.pipe(commit(sink.open))).toBe('--------c|');
    expectSubscriptions(parts.subscriptions).toBe('^--!');
    flush();
    expect(sink.calls).toEqual(['write a', 'write b', 'commit']);
  });
});

test('a stream that fails aborts the sink, commits nothing, and passes the error on after the clean-up', () => {
  run(({ cold, hot, expectObservable, flush }) => {
    const sink = sinkOf({ write: cold('-|'), commit: cold('c|'), abort: cold('---|') });
    expectObservable(hot('a--#').pipe(commit(sink.open))).toBe('------#');
    flush();
    expect(sink.calls).toEqual(['write a', 'abort']);
  });
});

test('a write that fails aborts the sink and stops the parts', () => {
  run(({ cold, hot, expectObservable, expectSubscriptions, flush }) => {
    const parts = hot('a-b-c|');
    const sink = sinkOf({ write: cold('-#', {}, 'full'), commit: cold('c|'), abort: cold('-|') });
    expectObservable(parts.pipe(commit(sink.open))).toBe('--#', {}, 'full');
    expectSubscriptions(parts.subscriptions).toBe('^!');
    flush();
    expect(sink.calls).toEqual(['write a', 'abort']);
  });
});

test('a commit that fails aborts the sink', () => {
  run(({ cold, hot, expectObservable, flush }) => {
    const sink = sinkOf({ write: cold('|'), commit: cold('--#', {}, 'full'), abort: cold('-|') });
    expectObservable(hot('a|').pipe(commit(sink.open))).toBe('----#', {}, 'full');
    flush();
    expect(sink.calls).toEqual(['write a', 'commit', 'abort']);
  });
});

test('a subscriber that leaves aborts the sink', () => {
  run(({ cold, hot, expectObservable, expectSubscriptions, flush }) => {
    const parts = hot('a--b--c|');
    const sink = sinkOf({ write: cold('|'), commit: cold('c|'), abort: cold('|') });
    expectObservable(parts.pipe(commit(sink.open)), '^---!').toBe('-----');
    expectSubscriptions(parts.subscriptions).toBe('^---!');
    flush();
    expect(sink.calls).toEqual(['write a', 'write b', 'abort']);
  });
});

test('a subscriber that leaves after the commit takes nothing back', () => {
  run(({ cold, hot, expectObservable, flush }) => {
    const sink = sinkOf({ write: cold('|'), commit: cold('c---|'), abort: cold('|') });
    expectObservable(hot('a|').pipe(commit(sink.open)), '^--!').toBe('-c');
    flush();
    expect(sink.calls).toEqual(['write a', 'commit']);
  });
});
