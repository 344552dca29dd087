import type { LiveEvent } from '@esparse/report-page';
import { z } from 'zod';

const text = z.string().max(10_000);
const number = z.number();
const time = z.iso.datetime();
const phase = { phase: text, begun: time, ended: time, seconds: number };

/** What the live page reads of the events of `esparse prune --json`; events of other kinds, and of other versions, are left out. */
const schema = z.discriminatedUnion('event', [
  z.object({
    event: z.literal('started'),
    time,
    ...{ run: text, model: text, family: text, blocks: number, pipeline: text, pattern: text, shuffle: text },
    ...{ samples: number, seqlen: number, shards: number, workers: z.array(text).max(4096) },
  }),
  z.object({
    event: z.literal('progress'),
    time,
    ...{ block: number, phase: text, done: number, total: number, unit: text },
  }),
  z.object({
    event: z.literal('linear'),
    time,
    ...{ block: number, linear: text, keptScoreGain: number, bytes: number, denseBytes: number },
    ...{ rows: number.optional(), cols: number.optional() },
    ...{ scoreLost: number.optional(), outputError: number.optional() },
  }),
  z.object({ event: z.literal('stage'), time, block: number, stage: text }),
  z.object({ event: z.literal('committed'), time, block: number, seconds: number, bytes: number.optional() }),
  z.object({ event: z.literal('phase'), time, block: number.optional(), ...phase }),
  z.object({
    event: z.literal('operators'),
    time,
    seconds: number,
    operators: z
      .array(
        z.object({
          ...{ operator: text, busy: number, backpressured: number, idle: number },
          ...{ done: number, rate: number, unit: text, queue: number },
        }),
      )
      .max(256),
  }),
  z.object({
    event: z.literal('workers'),
    time,
    workers: z
      .array(
        z.object({
          ...{ worker: text, connected: number, trouble: text.optional(), running: number, done: number },
          ...{ failed: number, tokens: number, rate: number, peakResidentBytes: number.optional() },
        }),
      )
      .max(4096),
  }),
  z.object({ event: z.literal('retry'), time, worker: text, message: text }),
  z.object({ event: z.literal('experts'), time, block: number, threshold: number }),
  z.object({ event: z.literal('note'), time, message: text }),
  z.object({ event: z.literal('finished'), time, seconds: z.record(z.string(), number) }),
]);

/** An event of a line of JSON; undefined for what is none, such as a line that is cut short. */
export function readLiveEvent(line: string): (LiveEvent & { readonly run?: string | undefined }) | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) return undefined;
  const { run } = value as { readonly run?: unknown };
  return { ...parsed.data, ...(typeof run === 'string' && { run }) };
}
