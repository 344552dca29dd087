import type { TuneBlockReply__Output } from '@esparse/protocol';
import { readTuned } from './tuned-reply.ts';

const REPORT = {
  ...{ lossBefore: 2, lossAfter: 1, heldOutBefore: 2, heldOutAfter: 1.5 },
  ...{ steps: 3, stopped: 'done' },
};
const EXPECTED = {
  linears: [{ name: 'q', elements: 3 }],
  tensors: [{ slot: 'norm', elements: 2 }],
};

const message = (part: Partial<TuneBlockReply__Output>): TuneBlockReply__Output => ({
  ...{ done: 0, total: 0, slot: '', data: Buffer.alloc(0), report: null },
  ...part,
});
const bytes = (array: Uint16Array | Float32Array) => Buffer.from(array.buffer);
const q = bytes(Uint16Array.of(1, 2, 3));
const norm = bytes(Float32Array.of(0.5, -1));

async function* sent(parts: readonly Partial<TuneBlockReply__Output>[]) {
  for (const part of parts) {
    await Promise.resolve();
    yield message(part);
  }
}

const read = (...parts: Partial<TuneBlockReply__Output>[]) => {
  const steps: number[][] = [];
  const progress = (done: number, total: number) => steps.push([done, total]);
  return readTuned(sent(parts), EXPECTED, { worker: 'w:1', progress }).then((reply) => ({ ...reply, steps }));
};

test('values come in pieces, cut anywhere, between steps', async () => {
  expect(
    await read(
      { done: 1, total: 9 },
      { slot: 'q.weight', data: q.subarray(0, 3) },
      { slot: 'q.weight', data: q.subarray(3) },
      { slot: 'norm', data: norm },
      { report: REPORT },
    ),
  ).toEqual({
    weights: { q: Uint16Array.of(1, 2, 3) },
    tensors: { norm: Float32Array.of(0.5, -1) },
    report: REPORT,
    steps: [[1, 9]],
  });
});

test.each<[string, Partial<TuneBlockReply__Output>[], string]>([
  ['too much', [{ slot: 'norm', data: Buffer.alloc(9) }], 'sent more of "norm" than was asked for'],
  ['what was not asked for', [{ slot: 'k.weight', data: q }], 'sent more of "k.weight" than was asked for'],
  ['too little', [{ slot: 'norm', data: norm }, { report: REPORT }], 'did not send all of q.weight'],
  [
    'no report',
    [
      { slot: 'norm', data: norm },
      { slot: 'q.weight', data: q },
    ],
    'did not say what came of tuning',
  ],
])('a worker that sends %s is refused by its address', async (_, parts, what) => {
  await expect(read(...parts)).rejects.toMatchObject({ kind: 'protocol', message: `worker w:1 ${what}` });
});
