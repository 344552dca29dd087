import type { RunSummary } from '@esparse/store';
import type { RunInspection } from './inspect-run.ts';
import { renderInspection } from './render-inspection.ts';

const OPTIONS = {
  pipeline: { name: 'wanda', version: 1, options: { alpha: 2 } },
  pattern: { keep: 2, group: 4 },
  calibration: { samples: 16, seqlen: 64, seed: 7, bos: false },
  skipIndivisible: false,
};
const ATTRIBUTES = {
  config: {},
  family: 'llama',
  blocks: 2,
  model: 'm',
  tokens: 't',
  numerics: 'n',
  options: OPTIONS,
};
const RUN: RunSummary = {
  fingerprint: 'aaaa',
  current: true,
  finished: true,
  blocks: 2,
  written: new Date('2026-03-01T12:30:59Z'),
  attributes: ATTRIBUTES,
  damage: undefined,
};
const NOTHING = { bytes: 0, permutationBytes: 0, denseBytes: 0, keptScoreGain: 0 };
const linear = (name: string, bytes: number) => ({
  ...{ name, rows: 16, cols: 16, bytes, permutationBytes: 0, denseBytes: 512 },
  ...{ pattern: '2:4', keptScoreGain: 0.25 },
});
const INSPECTION: RunInspection = {
  run: 'aaaa',
  finished: true,
  model: 'llama, 2 blocks of 16',
  pipeline: 'wanda',
  pattern: '2:4',
  shuffle: 'none',
  options: OPTIONS,
  numerics: 'n',
  blocks: [
    {
      block: 0,
      committed: true,
      linears: [linear('q_proj', 288), linear('k_proj', 288)],
      totals: { bytes: 576, permutationBytes: 0, denseBytes: 1024, keptScoreGain: 0.25 },
    },
    { block: 1, committed: false, linears: [], totals: NOTHING },
  ],
  totals: { bytes: 576, permutationBytes: 0, denseBytes: 1024, keptScoreGain: 0.25 },
};

/** The lines of what is printed, their columns two spaces apart at least. */
const lines = (text: string) => text.split('\n').map((line) => line.trim().split(/ {2,}/).join(' | '));

test('a run of which nothing is pruned is called dense', () => {
  const linears = [
    { name: 'q_proj', rows: 16, cols: 16, bytes: 144, permutationBytes: 0, denseBytes: 512, values: 'int4' },
  ];
  const options = { ...OPTIONS, layers: { 'blocks.0.q_proj': 'dense' } };
  const blocks = [{ block: 0, committed: true, linears, totals: NOTHING }];
  expect(renderInspection({ ...INSPECTION, options, blocks }, [RUN])).toContain('wanda dense, shuffle none');
});

test('each run has its date, state and options, and each block the sums of its linears', () => {
  const begun = {
    ...RUN,
    fingerprint: 'bbbb',
    current: false,
    finished: false,
    blocks: 1,
    written: undefined,
  };
  const damaged = { ...begun, fingerprint: 'cccc', attributes: {}, damage: 'its document is damaged' };
  const printed = lines(renderInspection(INSPECTION, [RUN, begun, damaged]));
  expect(printed).toContain('aaaa | 2026-03-01 12:30 | current | 2 | wanda | alpha=2 | 2:4 | 16 x 64 | 7');
  expect(printed).toContain('bbbb | - | not finished | 1 | wanda | alpha=2 | 2:4 | 16 x 64 | 7');
  expect(printed).toContain('cccc | - | damaged | 1 | - | - | - | - | -');
  expect(printed).toContain('block 0 | 2 linears | 576 B | 1.00 KiB | 25.00 %');
  expect(printed).toContain('0.q_proj | 2:4 | 16 x 16 | 288 B | 512 B | 25.00 %');
  expect(printed).toContain('block 1 | not committed');
});

test('a run without a block has no share of nothing', () => {
  const empty = { ...INSPECTION, blocks: INSPECTION.blocks.slice(1), totals: NOTHING };
  expect(renderInspection(empty, [RUN])).not.toContain('NaN');
});

test('on a terminal, what the shuffle gained has a bar, the longest for the most', () => {
  const [block] = INSPECTION.blocks;
  const linears = [linear('q_proj', 288), { ...linear('k_proj', 288), keptScoreGain: 0.125 }];
  const printed = renderInspection({ ...INSPECTION, blocks: [{ ...block!, linears }] }, [RUN], {
    bars: true,
  });
  const barOf = (name: string) =>
    /█*$/.exec(
      printed
        .split('\n')
        .find((line) => line.includes(name))!
        .trimEnd(),
    )![0];
  expect([barOf('0.q_proj').length, barOf('0.k_proj').length]).toEqual([16, 8]);
  expect(renderInspection(INSPECTION, [RUN])).not.toContain('█');
});
