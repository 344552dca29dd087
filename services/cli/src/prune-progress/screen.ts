import type { PruneEvent } from '@esparse/pruner';
import { bytes } from '../table.ts';
import { lineOf } from './lines.ts';
import { TimeLeft } from './time-left.ts';

type Progress = Extract<PruneEvent, { readonly event: 'progress' }>;
type Started = Extract<PruneEvent, { readonly event: 'started' }>;

/** The widest bar, and the narrowest that says anything. */
const MAX_BAR = 30;
const MIN_BAR = 8;

/** Names stand before what they name, in columns of this width. */
const NAME_WIDTH = 11;

/** What a terminal shows of a run at a moment: blocks, phase, rate, time left, workers, the slowest operator, the last note. */
export class PruneScreen {
  readonly #now: () => number;
  readonly #memory: () => number;
  #started: Started | undefined;
  #timeLeft: TimeLeft | undefined;
  #progress: Progress | undefined;
  #phaseBegun = { time: 0, done: 0 };
  /** Milliseconds of each phase so far, but for the one under way. */
  readonly #spent = new Map<Progress['phase'], number>();
  #workers: number | undefined;
  readonly #operatorSeconds = new Map<string, number>();
  #observedSeconds = 0;
  #latestNote: string | undefined;
  #note: string | undefined;

  /**
   * @param now milliseconds
   * @param memory bytes that this process holds
   */
  constructor(now = () => performance.now(), memory = () => process.memoryUsage.rss()) {
    this.#now = now;
    this.#memory = memory;
  }

  update(event: PruneEvent): void {
    if (event.event === 'started') {
      this.#started = event;
      this.#timeLeft = new TimeLeft(event.blocks, this.#now);
    } else if (event.event === 'progress') {
      this.#step(event);
    } else if (event.event === 'committed') {
      this.#timeLeft?.committed(event);
      // A note stands right above until another line has come between.
      this.#note = this.#latestNote;
    } else if (event.event === 'operators') {
      this.#observedSeconds += event.seconds;
      for (const { operator, busy } of event.operators) {
        const before = this.#operatorSeconds.get(operator) ?? 0;
        this.#operatorSeconds.set(operator, before + event.seconds * busy);
      }
    } else if (event.event === 'note' || event.event === 'retry' || event.event === 'experts') {
      this.#latestNote = lineOf(event);
    }
  }

  lines(columns: number): string[] {
    if (this.#started === undefined) return ['opening the model and its workers ...'];
    const { blocks, workers } = this.#started;
    const lines = [this.#overall(columns, blocks), this.#phase()];
    const connected = this.#workers === undefined ? '' : `${this.#workers} connected: `;
    lines.push(named('workers', connected + workers.join(', ')));
    if (this.#progress !== undefined) lines.push(named('most time', this.#costs(this.#progress)));
    const slowest = this.#slowest();
    if (slowest !== undefined) lines.push(named('slowest', slowest));
    if (this.#note !== undefined) lines.push(named('note', this.#note));
    return lines;
  }

  #step(event: Progress): void {
    if (event.block !== this.#progress?.block || event.phase !== this.#progress.phase) {
      this.#endPhase();
      this.#phaseBegun = { time: this.#now(), done: event.done };
    }
    this.#progress = event;
    this.#workers = event.workers ?? this.#workers;
    this.#timeLeft?.progress(event);
  }

  #endPhase(): void {
    if (this.#progress === undefined) return;
    const { phase } = this.#progress;
    this.#spent.set(phase, this.#phaseMilliseconds(phase));
  }

  #phaseMilliseconds(phase: Progress['phase']): number {
    const underWay = phase === this.#progress?.phase ? this.#now() - this.#phaseBegun.time : 0;
    return (this.#spent.get(phase) ?? 0) + underWay;
  }

  /** The phase that takes most of the time, and the memory of this process. */
  #costs({ phase: current }: Progress): string {
    const phases = [...new Set([...this.#spent.keys(), current])];
    const times = phases.map((phase) => ({ phase, time: this.#phaseMilliseconds(phase) }));
    const total = times.reduce((sum, { time }) => sum + time, 0);
    const { phase, time } = times.reduce((most, one) => (one.time > most.time ? one : most));
    const share = total === 0 ? '' : ` ${Math.round((100 * time) / total)} %`;
    return `${phase}${share}, memory ${bytes(this.#memory())}`;
  }

  /** The operator that has worked most since the run began: what bounds its speed. */
  #slowest(): string | undefined {
    const [most] = [...this.#operatorSeconds].sort(([, a], [, b]) => b - a);
    if (most === undefined || most[1] === 0) return undefined;
    return `${most[0]}, busy ${Math.round((100 * most[1]) / this.#observedSeconds)} % of the time`;
  }

  /** All blocks, with a bar where there is room for one. */
  #overall(columns: number, blocks: number): string {
    const done = this.#timeLeft?.done() ?? 0;
    const left = this.#timeLeft?.left();
    const block =
      this.#progress === undefined ? `${blocks} blocks` : `block ${this.#progress.block}/${blocks}`;
    const time = left === undefined ? 'time left known after a block' : `${duration(left)} left`;
    const text = `${Math.floor(100 * done)} %  ${block}  ${time}`;
    const room = Math.min(MAX_BAR, columns - text.length - 2);
    return room < MIN_BAR ? text : `${bar(done, room)}  ${text}`;
  }

  #phase(): string {
    if (this.#progress === undefined) return named('open', 'tokens become hidden states');
    const { phase, done, total, unit } = this.#progress;
    const seconds = (this.#now() - this.#phaseBegun.time) / 1000;
    const rate = (done - this.#phaseBegun.done) / seconds;
    return named(phase, `${round(done)}/${total} ${unit}${rate > 0 ? `, ${round(rate)}/s` : ''}`);
  }
}

function named(name: string, text: string): string {
  return name.padEnd(NAME_WIDTH) + text;
}

function bar(share: number, width: number): string {
  const full = Math.round(share * width);
  return '█'.repeat(full) + '░'.repeat(width - full);
}

/** A number with the digits that say something: 1830, 12, 0.42. */
function round(value: number): string {
  return value >= 10 || Number.isInteger(value) ? value.toFixed(0) : value.toPrecision(2);
}

/** Such as 41s, 2m 05s, 1h 02m. */
export function duration(milliseconds: number): string {
  const seconds = Math.round(milliseconds / 1000);
  const two = (value: number) => String(value).padStart(2, '0');
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${two(seconds % 60)}s`;
  return `${Math.floor(seconds / 3600)}h ${two(Math.floor((seconds % 3600) / 60))}m`;
}
