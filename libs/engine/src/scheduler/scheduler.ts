import { EsparseError, messageOf } from '@esparse/errors';
import type { StepOutput } from '../backends/backend.ts';
import type { Engine } from '../engine.ts';
import type { Job, JobEvent } from './job.ts';
import { prefillShares } from './prefill-shares.ts';
import { promptInputs, RunningJob, type JobInput } from './running-job.ts';

/** What the scheduler asks of an engine. */
export type SchedulerEngine = Pick<Engine, 'description' | 'replicaOf' | 'reserve' | 'step'>;

/** Logits of prompts that are scored, in one step: of a vocabulary of 152 thousand, after 55 tokens. */
const MAX_SCORED_BYTES = 32 << 20;

/** How many sequences run at once, and how many tokens a step may prefill. */
export interface SchedulerLimits {
  /** Sequences that run at once. */
  readonly maxSequences: number;
  /** Prefill tokens of a step while no sequence decodes. */
  readonly prefillTokens: number;
  /** Prefill tokens of a step while other sequences decode and wait for it. */
  readonly mixedPrefillTokens: number;
}

/** What one step did. */
export interface StepResult {
  readonly events: readonly JobEvent[];
  /** Jobs that left the queue and run from this step on. */
  readonly started: readonly number[];
  /** Sequences in the step, and how many tokens of prompts it took in. */
  readonly batch: number;
  readonly prefillTokens: number;
  /** Tokens that it took in: those of prompts, and one of each sequence that was being generated. */
  readonly tokens: number;
}

/** One sequence in a step. */
interface Part extends JobInput {
  readonly running: RunningJob;
}

/**
 * Continuous batching: jobs wait in one queue, are admitted in its order when one fewer than the most sequences run and
 * there is memory for all that they may need, and leave as soon as they end. Every step decodes one token of each sequence
 * whose prompt is in the cache, and prefills some of the prompts of the others. One step runs at a time; during it and
 * between two of them jobs may be added and cancelled.
 *
 * The queue is bounded by the caller (see `admission.ts`). A job at its head that does not fit yet keeps those
 * behind it waiting: else large jobs would wait for ever.
 */
export class Scheduler {
  readonly #engineOf: (model: number) => SchedulerEngine;
  readonly #limits: SchedulerLimits;
  readonly #queue = new Map<number, Job>();
  readonly #running = new Map<number, RunningJob>();

  /** @param engineOf the engine of a loaded model */
  constructor(engineOf: (model: number) => SchedulerEngine, limits: SchedulerLimits) {
    this.#engineOf = engineOf;
    this.#limits = limits;
  }

  get queued(): number {
    return this.#queue.size;
  }

  get running(): number {
    return this.#running.size;
  }

  get idle(): boolean {
    return this.#queue.size === 0 && this.#running.size === 0;
  }

  submit(job: Job): void {
    this.#queue.set(job.id, job);
  }

  /** Takes a job out, wherever it is: nothing more comes of it, and its memory is free once no step runs. */
  cancel(id: number): void {
    this.#queue.delete(id);
    this.#release(id);
  }

  /** Admits what fits and runs every sequence once. Steps do not overlap: the last one is awaited first. */
  async step(signal?: AbortSignal): Promise<StepResult> {
    const events: JobEvent[] = [];
    const started = this.#admit(events);
    const batch = this.#running.size;
    let prefillTokens = 0;
    let tokens = 0;
    // Devices compute at the same time.
    const groups = this.#byDevice(this.#plan()).map(async ({ engine, parts }) => {
      try {
        const outputs = await engine.step(
          parts.map(({ running: { sequence }, tokens, want }) => ({ sequence, tokens, want })),
          signal,
        );
        parts.forEach(({ running, tokens: given }, i) => {
          tokens += given.length;
          prefillTokens += running.prefilled(given);
          const output = outputs[i];
          if (output === undefined || !this.#runs(running)) return;
          events.push(this.#take(running, given, output));
        });
      } catch (error) {
        // A device that fails may fail again: all that took part end here.
        for (const { running } of parts) {
          if (this.#runs(running)) events.push(this.#fail(running.job.id, error));
        }
      }
    });
    await Promise.all(groups);
    return { events, started, batch, prefillTokens, tokens };
  }

  #admit(events: JobEvent[]): number[] {
    const started: number[] = [];
    for (const [id, job] of this.#queue) {
      if (this.#running.size >= this.#limits.maxSequences) break;
      if (promptInputs(job) === 0) {
        // Nothing is wanted of the model.
        events.push({ job: id, finish: 'length' });
        started.push(id);
        this.#queue.delete(id);
        continue;
      }
      try {
        const capacity = job.prompt.length + job.maxTokens;
        const sequence = this.#engineOf(job.model).reserve(capacity, job.sampling);
        if (sequence === undefined) {
          if (this.#running.size > 0) break;
          throw new EsparseError('internal', 'a job that can never fit was queued');
        }
        this.#running.set(id, new RunningJob(job, sequence));
        started.push(id);
      } catch (error) {
        events.push(this.#fail(id, error));
      }
      this.#queue.delete(id);
    }
    return started;
  }

  /** The tokens that each sequence takes in this step, and what is wanted after them. */
  #plan(): Part[] {
    const all = [...this.#running.values()];
    const prefill = all.filter(({ promptLeft }) => promptLeft > 0);
    const { prefillTokens, mixedPrefillTokens } = this.#limits;
    const shares = prefillShares(
      prefill.map(({ promptLeft }) => promptLeft),
      prefill.length === all.length ? prefillTokens : mixedPrefillTokens,
    );
    const shareOf = new Map(prefill.map((running, i) => [running, shares[i]!]));
    let scoredBytes = MAX_SCORED_BYTES;
    return all.flatMap((running) => {
      let share = shareOf.get(running) ?? 0;
      if (running.scores) {
        const rowBytes = 4 * this.#engineOf(running.job.model).description.vocab;
        // The first of them always takes one.
        const most = Math.floor(scoredBytes / rowBytes) || Number(scoredBytes === MAX_SCORED_BYTES);
        share = Math.min(share, most);
        scoredBytes -= share * rowBytes;
      }
      const { tokens, want } = running.next(share);
      return tokens.length === 0 ? [] : { running, tokens, want };
    });
  }

  /** Takes in the next token of a sequence, or the scores of its prompt: either may end it. */
  #take(running: RunningJob, tokens: Uint32Array, output: NonNullable<StepOutput>): JobEvent {
    const { id } = running.job;
    try {
      if ('error' in output) throw output.error;
      const event =
        output instanceof Float32Array ? running.score(tokens.length, output) : running.append(output);
      if (event.finish !== undefined) this.#release(id);
      return event;
    } catch (error) {
      return this.#fail(id, error);
    }
  }

  #fail(id: number, error: unknown): JobEvent {
    this.#release(id);
    return { job: id, error: messageOf(error) };
  }

  /** The parts of one model on one device are a step of its engine; there are two models only while one replaces the other. */
  #byDevice(parts: readonly Part[]): { engine: SchedulerEngine; parts: Part[] }[] {
    const groups = new Map<string, { engine: SchedulerEngine; parts: Part[] }>();
    for (const part of parts) {
      const { job, sequence } = part.running;
      const engine = this.#engineOf(job.model);
      const key = `${job.model} ${engine.replicaOf(sequence)}`;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, { engine, parts: [part] });
      else group.parts.push(part);
    }
    return [...groups.values()];
  }

  /** Whether a job was not cancelled meanwhile. */
  #runs(running: RunningJob): boolean {
    return this.#running.get(running.job.id) === running;
  }

  #release(id: number): void {
    this.#running.get(id)?.sequence.release();
    this.#running.delete(id);
  }
}
