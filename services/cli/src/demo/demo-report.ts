import type { PruneReport } from '@esparse/pruner';
import type { Answer } from './ask-server.ts';

/** What `esparse eval --json` says that the demo shows. */
export interface Evaluation {
  readonly perplexity: number;
  readonly seconds: number;
}

const MIB = 1024 * 1024;

/** The model before and after, and what it took. */
export function pruningReport(dense: Evaluation, pruned: PruneReport, sparse: Evaluation): string {
  const { denseLinearBytes, linearBytes, seconds, peakResidentBytes } = pruned;
  const mib = (bytes: number, digits: number) => (bytes / MIB).toFixed(digits);
  return lines(
    row('', 'dense', '2:4'),
    row('perplexity', dense.perplexity.toFixed(2), sparse.perplexity.toFixed(2)),
    row('linears, MiB', mib(denseLinearBytes, 3), mib(linearBytes, 3)),
    row('linears, % of dense', '100.00', ((linearBytes / denseLinearBytes) * 100).toFixed(2)),
    '',
    ...Object.entries(seconds).map(([phase, value]: [string, number]) =>
      row(`seconds, ${phase}`, value.toFixed(2)),
    ),
    row('seconds, eval', dense.seconds.toFixed(2), sparse.seconds.toFixed(2)),
    row('peak memory of prune, MiB', mib(peakResidentBytes.pruner, 0)),
    row('peak memory of its worker, MiB', mib(peakResidentBytes.workers[0]!, 0)),
  );
}

/** The answer of the server, as a quotation. */
export function answerReport(prompt: string, { url, text, tokens, seconds }: Answer): string {
  return lines(
    `Served on ${url}: ${tokens} tokens in ${seconds.toFixed(2)} s, straight from the store`,
    `> ${prompt}${text.replaceAll('\n', '\n> ')}`,
  );
}

function row(name: string, ...values: readonly string[]): string {
  return name.padEnd(34) + values.map((value) => value.padStart(14)).join('');
}

function lines(...all: readonly string[]): string {
  return `${all.join('\n')}\n`;
}
