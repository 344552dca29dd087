import type { PruneReport } from '@esparse/pruner';
import { bytes, percent, table } from './table.ts';

/** What a finished run did, as a table. */
export function renderReport(report: PruneReport): string {
  const { seconds, peakResidentBytes } = report;
  const rows: [string, string][] = [
    ['run', report.run],
    ['store', report.store],
    ['linears, dense', bytes(report.denseLinearBytes)],
    [
      'linears, packed',
      `${bytes(report.linearBytes)} (${percent(report.linearBytes / report.denseLinearBytes)})`,
    ],
    ['permutations', bytes(report.permutationBytes)],
    ['kept score gained by the shuffle', percent(report.keptScoreGain)],
  ];
  for (const [phase, value] of Object.entries(seconds)) rows.push([`seconds, ${phase}`, value.toFixed(1)]);
  rows.push(['over the wire', bytes(report.wireBytes)]);
  rows.push(['peak memory, pruner', bytes(peakResidentBytes.pruner)]);
  for (const peak of peakResidentBytes.workers) rows.push(['peak memory, worker', bytes(peak)]);
  return table(['pruned', ''], rows);
}
