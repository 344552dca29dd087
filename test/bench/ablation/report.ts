import type { Cell } from './cell.ts';
import type { Figures, Result, Results } from './results.ts';

/** The rows of a grid as a Markdown table: mean and spread over the seeds that have been measured. */
export function renderTable(cells: readonly Cell[], results: Results): string {
  const lines = rowsOf(cells).map((seeds) => {
    const { name, pipeline, set, pattern, samples } = seeds[0]!;
    const options = Object.entries(set).map(([key, value]) => `${key}=${value}`);
    const measured = seeds.map((cell) => results.of(cell)).filter((result) => result !== undefined);
    return [name, pipeline, options.join(' '), pattern, String(samples), ...figures(measured)];
  });
  const head = ['name', 'pipeline', 'options', 'pattern', 'samples', 'perplexity', 'least', 'most'];
  const all = [...head, 'standard error', 'accuracy', 'seeds', 'kept score gain', 'seconds'];
  return [
    results.dense === undefined ? '' : `${denseLine(results.dense)}\n`,
    line(all),
    line(all.map(() => '---')),
    ...lines.map(line),
  ].join('\n');
}

function denseLine({ perplexity, standardError, windows, accuracy }: Figures): string {
  const answers = accuracy === undefined ? '' : `, accuracy ${accuracy.toFixed(4)}`;
  return `Dense perplexity ${perplexity.toFixed(2)} ± ${standardError.toFixed(2)} on ${windows} windows${answers}.`;
}

function figures(measured: readonly Result[]): string[] {
  if (measured.length === 0) return ['not measured', '', '', '', '', '0', '', ''];
  const perplexities = measured.map(({ perplexity }) => perplexity);
  return [
    mean(perplexities).toFixed(2),
    Math.min(...perplexities).toFixed(2),
    Math.max(...perplexities).toFixed(2),
    // Of one run, by the windows: seeds share them.
    mean(measured.map(({ standardError }) => standardError)).toFixed(2),
    measured.every(({ accuracy }) => accuracy !== undefined)
      ? mean(measured.map(({ accuracy }) => accuracy!)).toFixed(4)
      : '',
    String(measured.length),
    `${(100 * mean(measured.map(({ keptScoreGain }) => keptScoreGain))).toFixed(2)} %`,
    mean(measured.map(({ seconds }) => seconds)).toFixed(1),
  ];
}

/** The cells that differ in the seed alone, together. */
function rowsOf(cells: readonly Cell[]): Cell[][] {
  const rows = new Map<string, Cell[]>();
  for (const cell of cells) {
    const key = `${cell.name} ${cell.pattern} ${cell.samples}`;
    rows.set(key, [...(rows.get(key) ?? []), cell]);
  }
  return [...rows.values()];
}

function line(fields: readonly string[]): string {
  return `| ${fields.join(' | ')} |`;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
