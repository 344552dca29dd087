import { lastValueFrom, of } from 'rxjs';
import type { Stage } from '@esparse/sparsity';
import type { MaskedLinear } from './linear.ts';
import { stage, stages } from './stage.ts';

const PATTERN = { keep: 1, group: 2 };
const linear: MaskedLinear = {
  block: 3,
  name: 'q_proj',
  tap: 'in',
  rows: 1,
  cols: 2,
  pattern: PATTERN,
  readings: new Map(),
  dtype: 'bf16',
  weights: Uint16Array.of(1, 2),
  scores: Float32Array.of(1, 2),
  order: { permutation: Int32Array.of(1, 0), keptBefore: 1, keptAfter: 2 },
  mask: Uint8Array.of(1),
};
const step = (run: Stage['run']): Stage => ({ name: 'step', statistics: {}, run });
const through = (one: Stage, note: (message: string) => void = () => undefined) =>
  lastValueFrom(of(linear).pipe(stage(one, { note, progress: () => undefined })));

test('a stage sees the linear with its order, mask and pattern, and changes weights, mask or nothing', async () => {
  const changed = await through(
    step(({ weights, mask, permutation, pattern, rows, cols }) => {
      expect({ permutation, pattern, rows, cols, mask }).toEqual({
        permutation: Int32Array.of(1, 0),
        pattern: PATTERN,
        rows: 1,
        cols: 2,
        mask: Uint8Array.of(1),
      });
      return Promise.resolve({ weights: weights.map((bits) => bits + 1) });
    }),
  );
  expect(changed).toEqual({ ...linear, weights: Uint16Array.of(2, 3) });
  expect(await through(step(() => Promise.resolve({ mask: Uint8Array.of(2) })))).toEqual({
    ...linear,
    mask: Uint8Array.of(2),
  });
  expect(await through(step(() => Promise.resolve({})))).toEqual(linear);
});

test('weights or a mask of another size are refused, naming stage, block and linear', async () => {
  for (const result of [{ weights: new Uint16Array(3) }, { mask: new Uint8Array(2) }]) {
    await expect(through(step(() => Promise.resolve(result)))).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringMatching(/^stage step, block 3, q_proj: (weights|mask) of \d elements/),
    });
  }
});

test('a view of the weights and mask that a stage was given takes their place, and stays whole', async () => {
  // Large enough to be freed at once.
  const [rows, cols] = [512, 1024];
  const large = { ...linear, rows, cols, weights: new Uint16Array(rows * cols).fill(3) };
  const mask = new Uint8Array((rows * cols) / 8).fill(0b01010101);
  const changed = await lastValueFrom(
    of({ ...large, mask }).pipe(
      stage(
        step(({ weights, mask: given }) =>
          Promise.resolve({ weights: weights.subarray(), mask: given.subarray() }),
        ),
        { note: () => undefined, progress: () => undefined },
      ),
    ),
  );
  expect([changed.weights.length, changed.weights[7]]).toEqual([rows * cols, 3]);
  expect(changed.mask).toHaveLength((rows * cols) / 8);
});

test('notes of a stage name block, linear and stage', async () => {
  const notes: string[] = [];
  await through(
    step((_, { note }) => {
      note('nothing to do');
      return Promise.resolve({});
    }),
    (message) => notes.push(message),
  );
  expect(notes).toEqual(['block 3, q_proj: step: nothing to do']);
});

test('a device is given back when the last stage that computes there has run, before its result is looked at', async () => {
  const seen: string[] = [];
  const named = (name: string, onDevice: boolean): Stage => ({
    ...step(() => {
      seen.push(name);
      return Promise.resolve({ mask: new Uint8Array(name === 'wrong' ? 2 : 1).fill(1) });
    }),
    ...(onDevice && { deviceBytes: () => 1 }),
  });
  const run = (...all: Stage[]) => {
    const report = { note: () => undefined, progress: () => undefined };
    return lastValueFrom(of(linear).pipe(stages(all, { ...report, leave: () => seen.push('left') })));
  };
  await run(named('first', true), named('second', true), named('third', false));
  expect(seen.splice(0)).toEqual(['first', 'second', 'left', 'third']);
  await expect(run(named('wrong', true))).rejects.toMatchObject({ kind: 'usage' });
  expect(seen).toEqual(['wrong', 'left']);
});
