import type { LinearData, ReportData, TapData } from '../src/data.ts';
import { channelsOf, importanceIn, rankCorrelation, rankedOtherwise } from './channels.ts';
import type { ShownRun } from './run.ts';

const CHANNELS = 40;
const numbers = (at: number) => ({ at, length: CHANNELS, as: 'u8' }) as const;

/** A run of one block, of which the numbers at a place are these. */
function runOf(
  importance: ReportData['importance'],
  stored: Readonly<Record<number, Float64Array>>,
): ShownRun {
  const tap: TapData = { name: 'attn_in', channels: CHANNELS, entropy: numbers(0), amplitude: numbers(1) };
  const linear = (name: string, at: number): LinearData => ({
    ...{ name, tap: 'attn_in', rows: 8, cols: CHANNELS, bytes: 0, permutationBytes: 0 },
    keptShare: numbers(at),
  });
  const linears = [linear('q_proj', 2), linear('k_proj', 3)];
  return {
    data: { importance } as ReportData,
    read: ({ at }) => stored[at]!,
    detailed: [0],
    linear: () => linears[0],
    tap: () => tap,
    readersOf: () => linears,
    linearNames: ['q_proj', 'k_proj'],
    tapNames: ['attn_in'],
  };
}

const rising = Float64Array.from({ length: CHANNELS }, (_, c) => c);
const eSparse = { by: 'entropy and amplitude', alpha: 1 } as const;

test('channels are ranked by what E-Sparse and Wanda multiply weights by, and marked where these differ', () => {
  // The quietest channel says by far most.
  const entropy = Float64Array.from({ length: CHANNELS }, (_, c) => (c === 0 ? 1000 : 0));
  const full = new Float64Array(CHANNELS).fill(255);
  const channels = channelsOf(
    runOf(eSparse, { 0: entropy, 1: rising, 2: full, 3: full.map(() => 0) }),
    0,
    'attn_in',
  )!;
  expect([channels.ranks!.eSparse[0], channels.ranks!.wanda[0]]).toEqual([1, CHANNELS]);
  expect(rankedOtherwise(channels)).toEqual([0]);
  expect(channels.kept![5]).toBe(0.5);
});

test('the importance of a channel follows the metric of the run', () => {
  const stored = { 0: rising.map(() => 2), 1: rising };
  const of = (importance: ReportData['importance']) => {
    const run = runOf(importance, stored);
    return importanceIn(run, 0, run.linear(0, 'q_proj')!)?.[9];
  };
  expect(of({ by: 'entropy and amplitude', alpha: 3 })).toBe(29);
  expect(of({ by: 'amplitude', exponent: 0.5 })).toBe(3);
  expect(of({ by: 'weights' })).toBeUndefined();
});

test('the correlation of ranks is 1 of the same order and -1 of the reverse one', () => {
  expect(
    rankCorrelation(
      rising,
      rising.map((value) => value ** 3),
    ),
  ).toBe(1);
  expect(
    rankCorrelation(
      rising,
      rising.map((value) => -value),
    ),
  ).toBe(-1);
});
