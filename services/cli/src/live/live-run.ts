import { after, NO_STATE, type LiveEvent, type LiveState } from '@esparse/report-page';
import { TimeLeft } from '../prune-progress/time-left.ts';

/** How often viewers get news: a person sees no more, and ten viewers cost little. */
const NEWS_MS = 500;

/** Events that wait for the next news at most. */
const MAX_PENDING = 2_000;

/** Takes what has happened since the news before, as JSON, once for all viewers. */
export type NewsListener = (news: string) => void;

/** A run as viewers see it: its state so far, and news of it. What is kept of it is bounded (see `LiveState`). */
export class LiveRun {
  readonly #listeners = new Set<NewsListener>();
  readonly #timeLeft: { current: TimeLeft | undefined } = { current: undefined };
  /** By the events: those of a run that is shown again lie in the past. */
  #now = 0;
  #state: LiveState = NO_STATE;
  #pending: LiveEvent[] = [];
  #timer: NodeJS.Timeout | undefined;

  push(event: LiveEvent): void {
    this.#now = Math.max(this.#now, Date.parse(event.time));
    this.#estimate(event);
    const last = this.#pending.at(-1);
    // Of steps within a phase, viewers need the last one only.
    if (last?.event === 'progress' && event.event === 'progress' && isSameStep(last, event))
      this.#pending.pop();
    this.#pending.push(event);
    if (this.#pending.length >= MAX_PENDING) this.flush();
    else
      this.#timer ??= setTimeout(() => {
        this.flush();
      }, NEWS_MS).unref();
  }

  /** The state with all events so far. */
  get state(): LiveState {
    this.flush();
    return this.#state;
  }

  /** Calls `listener` with all news from now on, until what is returned is called. */
  listen(listener: NewsListener): () => void {
    this.flush();
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells what has happened so far, without waiting. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const events = this.#pending;
    if (events.length === 0) return;
    this.#pending = [];
    const left = this.#timeLeft.current;
    const { time } = events.at(-1)!;
    const ends = events.some(({ event }) => event === 'finished' || event === 'ended');
    if (left !== undefined && !ends)
      events.push({ time, event: 'estimate', done: left.done(), left: left.left() });
    this.#state = events.reduce(after, this.#state);
    if (this.#listeners.size === 0) return;
    const news = JSON.stringify(events);
    for (const listener of this.#listeners) listener(news);
  }

  #estimate(event: LiveEvent): void {
    if (event.event === 'started') this.#timeLeft.current = new TimeLeft(event.blocks, () => this.#now);
    else if (event.event === 'progress') this.#timeLeft.current?.progress(event);
    else if (event.event === 'committed') this.#timeLeft.current?.committed(event);
  }
}

function isSameStep(
  a: Extract<LiveEvent, { readonly event: 'progress' }>,
  b: Extract<LiveEvent, { readonly event: 'progress' }>,
): boolean {
  return a.block === b.block && a.phase === b.phase && b.done >= a.done;
}
