import type { PruneReport } from '@esparse/pruner';
import { renderReport } from './report.ts';

const report: PruneReport = {
  ...{ run: 'abc', store: 'out.zarr', blocks: 2, blocksPruned: 2, linearBytes: 9, permutationBytes: 1 },
  ...{ denseLinearBytes: 16, keptScoreGain: 0.01, wireBytes: 5 },
  seconds: { open: 1, calibrate: 2, prune: 5, tune: 0, commit: 0.5, advance: 1.5, total: 10 },
  peakResidentBytes: { pruner: 100, workers: [200] },
};

test('what took longest comes first, each phase with its share of the whole', () => {
  const lines = renderReport(report)
    .split('\n')
    .filter((line) => line.includes('seconds, '));
  expect(lines.map((line) => /seconds, (\w+)/.exec(line)![1])).toEqual([
    ...['prune', 'calibrate', 'advance', 'open', 'commit', 'tune'],
    'total',
  ]);
  expect(lines[0]).toContain('5.0 (50.00 %)');
  expect(lines.at(-1)).toMatch(/10\.0\W*$/);
});

test('a run that was finished before is a line', () => {
  expect(renderReport({ ...report, blocksPruned: 0 })).toMatch(/^run abc was finished already, .*\n$/);
});
