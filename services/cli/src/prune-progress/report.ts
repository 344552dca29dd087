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
  rows.push(...slowestFirst(seconds));
  rows.push(['over the wire', bytes(report.wireBytes)]);
  rows.push(['peak memory, pruner', bytes(peakResidentBytes.pruner)]);
  for (const peak of peakResidentBytes.workers) rows.push(['peak memory, worker', bytes(peak)]);
  return table(['pruned', ''], rows);
}

function packed({ linearBytes, denseLinearBytes }: PruneReport): string {
  return `${bytes(linearBytes)} (${percentOf(linearBytes, denseLinearBytes)})`;
}

/** Phases by what they took, each with its share; phases overlap where one goes on while the next has begun. */
function slowestFirst({ total, ...phases }: PruneReport['seconds']): [string, string][] {
  const sorted = Object.entries(phases).sort(([, a], [, b]) => b - a);
  return [...sorted, ['total', total] as const].map(([phase, value]) => [
    `seconds, ${phase}`,
    phase === 'total' ? value.toFixed(1) : `${value.toFixed(1)} (${percentOf(value, total)})`,
  ]);
}
