import type { PruneReport } from '@esparse/pruner';
import { bytes, percent, percentOf, table } from '../table.ts';

/** What a run has done, as a table; a line where an earlier attempt had done all of it. */
export function renderReport(report: PruneReport): string {
  const { run, store, blocks, blocksPruned, seconds, peakResidentBytes } = report;
  if (blocksPruned === 0) {
    return (
      `run ${run} was finished already, nothing was pruned: ` + `linears of ${packed(report)} in ${store}\n`
    );
  }
  const rows: [string, string][] = [
    ['run', run],
    ['store', store],
    ['blocks', blocksPruned === blocks ? `${blocks}` : `${blocksPruned} of ${blocks}, the others before`],
    ['linears, dense', bytes(report.denseLinearBytes)],
    ['linears, packed', packed(report)],
    ['permutations', bytes(report.permutationBytes)],
    ['kept score gained by the shuffle', percent(report.keptScoreGain)],
  ];
  for (const [phase, value] of Object.entries(seconds)) rows.push([`seconds, ${phase}`, value.toFixed(1)]);
  rows.push(['over the wire', bytes(report.wireBytes)]);
  rows.push(['peak memory, pruner', bytes(peakResidentBytes.pruner)]);
  for (const peak of peakResidentBytes.workers) rows.push(['peak memory, worker', bytes(peak)]);
  return table(['pruned', ''], rows);
}

function packed({ linearBytes, denseLinearBytes }: PruneReport): string {
  return `${bytes(linearBytes)} (${percentOf(linearBytes, denseLinearBytes)})`;
}
