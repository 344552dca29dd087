import { accuracyOf, type Accuracy, type Estimate } from '@esparse/evaluation';
import { table } from '../table.ts';
import { differenceOf, type Evaluated } from './report.ts';
import type { EvalRequest } from './request.ts';

const BY: readonly (readonly [name: keyof Accuracy, shown: string])[] = [
  ['acc', 'acc'],
  ['accNorm', 'acc_norm'],
  ['accBytes', 'acc_bytes'],
];

/** What is printed of one model. */
export function renderOne({ name, figures }: Evaluated, { text: file, seqlen }: EvalRequest): string {
  const { text, tasks, engine } = figures;
  const lines: string[] = [];
  if (text !== undefined) {
    const { perplexity, standardError, bitsPerByte, tokens, windows, seconds, ids } = text;
    const all = Math.floor(ids.length / seqlen);
    lines.push(
      `perplexity ${perplexity.toFixed(3)} on ${tokens} tokens of ${file!.file} (${name}, ${windows === all ? windows : `the first ${windows} of ${all}`} windows of ${seqlen}, ` +
        `standard error ${shownError(standardError, 3)}, ${bitsPerByte.toFixed(4)} bits per byte, ${engine}, ${seconds.toFixed(1)} s)\n`,
    );
  }
  if (tasks.length > 0) {
    lines.push(
      table(
        ['questions', 'number', ...BY.map(([, shown]) => shown)],
        tasks.map(({ set, answers }) => {
          const accuracy = accuracyOf(answers);
          return [set.name, String(set.questions.length), ...BY.map(([by]) => shown(accuracy[by], 4))];
        }),
      ),
    );
  }
  return lines.join('') + cutNote([{ name, figures, identity: {} }]);
}

/** What is printed of several: a column each, and how it differs from the first. */
export function renderSeveral(models: readonly Evaluated[], { seqlen }: EvalRequest): string {
  const [base, ...others] = models;
  const differences = others.map((other) => differenceOf(other, base!));
  const head = [
    headOf(base!, seqlen),
    placeOf(base!),
    ...others.flatMap((one) => [placeOf(one), 'difference']),
  ];
  const rows: string[][] = [];
  const row = (label: string, cells: readonly string[], changes: readonly string[]) => {
    rows.push([label, cells[0]!, ...others.flatMap((_, i) => [cells[i + 1]!, changes[i]!])]);
  };
  const texts = models.flatMap(({ figures: { text } }) => text ?? []);
  if (texts.length > 0) {
    row(
      'perplexity',
      texts.map(({ perplexity: value, standardError }) => shown({ value, standardError }, 3)),
      others.map((_, i) =>
        signed({ value: texts[i + 1]!.perplexity - texts[0]!.perplexity, standardError: NaN }, 3),
      ),
    );
    row(
      'nats per token',
      texts.map(({ perplexity }) => Math.log(perplexity).toFixed(4)),
      differences.map(({ nllPerToken }) => (nllPerToken === undefined ? '-' : signed(nllPerToken, 4))),
    );
    row(
      'bits per byte',
      texts.map(({ bitsPerByte }) => bitsPerByte.toFixed(4)),
      others.map((_, i) =>
        signed({ value: texts[i + 1]!.bitsPerByte - texts[0]!.bitsPerByte, standardError: NaN }, 4),
      ),
    );
  }
  for (const [t, { set }] of base!.figures.tasks.entries()) {
    const accuracies = models.map(({ figures }) => accuracyOf(figures.tasks[t]!.answers));
    for (const [by, label] of BY) {
      row(
        `${set.name} (${set.questions.length}) ${label}`,
        accuracies.map((accuracy) => shown(accuracy[by], 4)),
        differences.map(({ tasks }) => signed(tasks[set.name]![by], 4)),
      );
    }
  }
  return `${table(head, rows)}${cutNote(models)}`;
}

/** How long the windows are, and where they are not all of the text, how many. */
function headOf({ figures: { text } }: Evaluated, seqlen: number): string {
  const isWhole = text === undefined || text.windows === Math.floor(text.ids.length / seqlen);
  return `seqlen ${seqlen}${isWhole ? '' : `, ${text.windows} windows`}`;
}

/** Where it is; which run is in `--json`. */
function placeOf({ identity, name }: Evaluated): string {
  return identity.store ?? identity.model ?? name;
}

function shown({ value, standardError }: Estimate, digits: number): string {
  return `${value.toFixed(digits)} ± ${shownError(standardError, digits)}`;
}

/** A single part says nothing about how far off it is. */
function shownError(error: number, digits: number): string {
  return Number.isNaN(error) ? '?' : error.toFixed(digits);
}

function signed({ value, standardError }: Estimate, digits: number): string {
  const change = `${value < 0 ? '' : '+'}${value.toFixed(digits)}`;
  return Number.isNaN(standardError) ? change : `${change} ± ${standardError.toFixed(digits)}`;
}

function cutNote(models: readonly Evaluated[]): string {
  const cut = models.flatMap(({ figures }) => figures.tasks).reduce((sum, task) => sum + task.cut, 0);
  return cut === 0 ? '' : `${cut} choices did not fit the context: they lost its beginning\n`;
}
