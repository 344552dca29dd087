import { stageLaws, type LawfulStage } from './index.ts';

interface Input {
  readonly dtype: 'bf16' | 'f16';
  readonly weights: Uint16Array;
  readonly mask: Uint8Array;
  readonly permutation: Int32Array;
}
type Run = (input: Input) => { weights?: Uint16Array; mask?: Uint8Array };

const stageOf = (run: Run): LawfulStage => ({
  name: 'mine',
  statistics: {},
  run: (input: Input) => Promise.resolve(run(input)),
});

test.each<[string, Run]>([
  ['changes nothing', () => ({})],
  ['changes signs', ({ weights }) => ({ weights: weights.map((bits) => bits ^ 0x8000) })],
  ['gives the mask that it was given', ({ mask }) => ({ mask: mask.slice() })],
])('a stage that keeps the laws passes: one that %s', async (_, run) => {
  await stageLaws(stageOf(run));
});

let calls = 0;

test.each<[string, Run]>([
  ['weights for', ({ weights }) => ({ weights: weights.slice(1) })],
  ['is not finite', ({ weights }) => ({ weights: weights.map(() => 0x7f80) })],
  ['a mask of', ({ mask }) => ({ mask: mask.slice(1) })],
  ['its mask is not', ({ mask }) => ({ mask: mask.map(() => 255) })],
  ['the same input gives another result', ({ weights }) => ({ weights: weights.slice().fill(calls++ % 2) })],
  [
    'its input is changed',
    ({ weights }) => {
      weights.fill(0x3f81);
      return { weights };
    },
  ],
])('a stage that breaks a law is refused: %s', async (law, run) => {
  await expect(stageLaws(stageOf(run))).rejects.toThrow(
    expect.objectContaining({ message: expect.stringMatching(new RegExp(`^stage mine: .*${law}`)) }),
  );
});
