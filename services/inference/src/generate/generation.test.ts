import type { TokenText } from '@esparse/checkpoint';
import type { Job } from '@esparse/engine';
import type { JobListener } from '../engine/start-engine.ts';
import type { ChoiceDelta, GenerationInput } from './choice.ts';
import { startGeneration } from './generation.ts';

/** Token n is the letter n of the alphabet; token 25 is a very long text. */
const LONG = 25;
const letters: TokenText = {
  bytes: (id) => Uint8Array.of(97 + id),
  spelling: (id) => letters.bytes(id),
  stream: () => ({
    push: (id) => (id === LONG ? 'z'.repeat(2 ** 20 + 1) : String.fromCharCode(97 + id)),
    end: () => '',
  }),
};

/** A generation on an engine that does nothing by itself, and what happened to what it holds. */
function start(more: Partial<GenerationInput> = {}) {
  const listeners = new Map<number, JobListener>();
  const seen = { jobs: [] as Job[], cancelled: [] as number[], slots: 0, leases: 0, ends: 0, first: 0 };
  const input = { prompts: [Uint32Array.of(1, 2)], n: 1, maxTokens: 9, sampling: {}, stops: [], ...more };
  const generation = startGeneration(input, {
    engine: {
      submit(jobs, listenerOf) {
        seen.jobs.push(...jobs);
        for (const job of jobs) listeners.set(job.id, listenerOf(job));
      },
      cancel: (jobs) => seen.cancelled.push(...jobs),
    },
    lease: {
      model: { id: 0, text: { tokenText: letters, endTokens: [] } } as never,
      release: () => seen.leases++,
    },
    slots: Array.from({ length: input.n * input.prompts.length }, () => ({ release: () => seen.slots++ })),
    observer: { firstToken: () => seen.first++, perToken: () => undefined },
    onEnd: () => seen.ends++,
    received: 0,
  });
  const emit = (
    choice: number,
    event: { token?: number; finish?: 'stop' | 'length' } | { error: string },
  ) => {
    const { id } = seen.jobs[choice]!;
    listeners.get(id)!({ job: id, ...event });
  };
  return { generation, seen, emit };
}

async function read(deltas: AsyncIterable<readonly ChoiceDelta[]>): Promise<readonly ChoiceDelta[]> {
  const all: ChoiceDelta[] = [];
  for await (const some of deltas) all.push(...some);
  return all;
}

test('its texts are read to their end, and each frees its slot when it ends', async () => {
  const { generation, seen, emit } = start({ n: 2 });
  emit(0, { token: 0 });
  emit(0, { token: 1, finish: 'length' });
  expect(seen).toMatchObject({ slots: 1, leases: 0, ends: 0, first: 1 });
  emit(1, { token: 2 });
  emit(1, { finish: 'stop' });
  expect(seen).toMatchObject({ slots: 2, leases: 1, ends: 1, first: 2 });
  expect(await read(generation)).toMatchObject([
    { index: 0, text: 'ab', finish: 'length' },
    { index: 1, text: 'c', finish: 'stop' },
  ]);
  expect(generation).toMatchObject({ promptTokens: 2, completionTokens: 3 });
  expect(seen).toMatchObject({ cancelled: [], slots: 2, leases: 1, ends: 1 });
});

test('a stop string ends the job of its text, and of no other', async () => {
  const { generation, seen, emit } = start({ n: 2, stops: ['b'] });
  emit(0, { token: 1 });
  expect(seen.cancelled).toEqual([seen.jobs[0]!.id]);
  emit(1, { token: 0, finish: 'length' });
  expect(await read(generation)).toMatchObject([
    { index: 0, text: '', finish: 'stop' },
    { index: 1, text: 'a', finish: 'length' },
  ]);
});

test('an engine that fails ends all texts with an error, after what there is of them', async () => {
  const { generation, seen, emit } = start({ n: 2 });
  emit(1, { token: 0 });
  emit(0, { error: 'it broke' });
  const texts: string[] = [];
  const reading = async () => {
    for await (const [delta] of generation) texts.push(delta!.text);
  };
  await expect(reading()).rejects.toMatchObject({
    kind: 'internal',
    message: expect.stringMatching(/it broke/),
  });
  expect(texts).toEqual(['a']);
  expect(seen).toMatchObject({ cancelled: [seen.jobs[1]!.id], slots: 2, leases: 1, ends: 1 });
});

test('a reader that leaves cancels what still runs', async () => {
  const { generation, seen, emit } = start();
  emit(0, { token: 0 });
  for await (const deltas of generation) {
    expect(deltas).toHaveLength(1);
    break;
  }
  expect(seen).toMatchObject({ cancelled: [seen.jobs[0]!.id], slots: 1, leases: 1, ends: 1 });
});

test('the error of who cancels is what the reader gets', async () => {
  const { generation, seen } = start();
  const reading = read(generation);
  generation.cancel(new Error('the client has gone'));
  await expect(reading).rejects.toThrow('the client has gone');
  expect(seen).toMatchObject({ slots: 1, leases: 1, ends: 1 });
});

test('a client that leaves too much unread is cut off', async () => {
  const { generation, seen, emit } = start();
  emit(0, { token: LONG });
  await expect(read(generation)).rejects.toMatchObject({ kind: 'slow_client' });
  expect(seen).toMatchObject({ cancelled: [seen.jobs[0]!.id], slots: 1, leases: 1, ends: 1 });
});
