import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import { registerBackend, type BackendModel, type Job } from '@esparse/engine';
import { writeExampleRun } from '../testing/example-store.ts';
import { hostEngine } from './engine-host.ts';
import type { FromEngine, ToEngine } from './messages.ts';

const TOKEN = 5;
const JOB: Job = {
  ...{ id: 1, model: 0, prompt: Uint32Array.of(1, 2), maxTokens: 3, endTokens: [], sampling: {} },
};

/** A device that computes a step for as long as it is not told to end it. */
function steppedDevice() {
  const running: (() => void)[] = [];
  const seen = { begun: 0, ended: 0 };
  const model: BackendModel = {
    device: {},
    weightBytes: { mapped: 0, linears: 0, permutations: 0, denseLinears: 0, head: 0 },
    ...{ pages: 8, pageTokens: 16, pageBytes: 64 },
    async run(parts) {
      seen.begun++;
      await new Promise<void>((resolve) => running.push(resolve));
      seen.ended++;
      return parts.map(() => ({ token: TOKEN, logprobs: undefined }));
    },
    close: () => Promise.resolve(),
  };
  registerBackend('stepped', () => Promise.resolve({ open: () => Promise.resolve(model) }));
  return {
    seen,
    endStep() {
      running.shift()!();
    },
  };
}

let home: string;
const channel = new MessageChannel();
beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'esparse-host-'));
  await writeExampleRun({ store: path.join(home, 'store'), fingerprint: 'aaaa0123456789abcdef0123456789ab' });
});
afterAll(() => {
  channel.port1.close();
  return rm(home, { recursive: true });
});

test('what a step gave is told while the device computes the next one, and the last of it at once', async () => {
  const device = steppedDevice();
  const { port1: port, port2 } = channel;
  /** Steps that had begun when each report was told. */
  const begun: number[] = [];
  const post = port2.postMessage.bind(port2);
  port2.postMessage = (message: FromEngine) => {
    if (message.type === 'step') begun.push(device.seen.begun);
    post(message);
  };
  hostEngine(port2, {
    ...{ store: path.join(home, 'store'), device: 'stepped' },
    limits: { maxSequences: 1, prefillTokens: 8, mixedPrefillTokens: 8 },
  });
  const send = (message: ToEngine) => {
    port.postMessage(message);
  };
  const next = async () => (await once(port, 'message'))[0] as FromEngine;

  send({ type: 'load', model: 0, run: undefined, verify: 'none' });
  expect(await next()).toMatchObject({ type: 'loaded' });
  send({ type: 'submit', jobs: [JOB] });
  while (device.seen.begun === 0) await new Promise(setImmediate);
  for (const ended of [1, 2, 3]) {
    device.endStep();
    const finish = ended === JOB.maxTokens ? 'length' : undefined;
    expect(await next()).toMatchObject({
      type: 'step',
      report: { events: [{ job: JOB.id, token: TOKEN, finish }], batch: 1 },
    });
    expect(device.seen.ended).toBe(ended);
  }
  expect(begun).toEqual([2, 3, 3]);
});
