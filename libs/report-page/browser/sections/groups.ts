import type { LinearData } from '../../src/data.ts';
import { importanceIn } from '../channels.ts';
import { choice } from '../dom.ts';
import { ChartFigure } from '../figure.ts';
import { percent, shortNumber } from '../format.ts';
import { histogram, rangeOf } from '../histogram.ts';
import { axis, type Drawing } from '../plot.ts';
import type { ShownRun } from '../run.ts';
import { blockChoice } from './block-choice.ts';
import { maskFigure } from './mask.ts';
import { section } from './section.ts';

/** Groups that a bar holds on average, so that bars mean something; and bars at most. */
const GROUPS_A_BAR = 5;
const MAX_BARS = 60;

/** The importance that each group of a linear holds, in the original order of channels and in the shuffled one. */
interface Spread {
  readonly before: Float64Array;
  readonly after: Float64Array;
}

/** What the shuffle does to the groups of a linear, and its mask. */
export function groupsSection(run: ShownRun): { element: HTMLElement; draw: () => void } {
  const { detailed, linearNames, data } = run;
  const lead =
    'The pattern keeps so many weights of every group of channels. Where important channels share a group, some must go: the ' +
    'shuffle forms groups anew, so that each has as much to lose as the others.';
  if (detailed.length === 0) return { element: section('Groups', lead), draw: () => undefined };
  const spread = new ChartFigure('groups');
  const mask = maskFigure(run);
  let block = detailed[0]!;
  const packed = linearNames.filter((name) =>
    data.blocks.some(({ linears }) => linears.some((one) => one.name === name && one.pattern)),
  );
  let name = packed[0]!;
  const draw = () => {
    const linear = run.linear(block, name);
    drawSpread(spread, run, block, linear);
    mask.draw(block, linear);
  };
  spread.controls.append(
    blockChoice(detailed, (chosen) => {
      block = chosen;
      draw();
    }),
    choice(
      'Linear',
      packed.map((each) => [each, each] as const),
      (value) => {
        name = value;
        draw();
      },
    ),
  );
  return { element: section('Groups', lead, spread.element, mask.element), draw };
}

function drawSpread(figure: ChartFigure, run: ShownRun, block: number, linear: LinearData | undefined): void {
  const spread = linear && spreadOf(run, block, linear);
  if (linear === undefined || spread === undefined) {
    const nothing =
      linear?.pattern === undefined ? 'it was left dense' : 'no importance of channels is known';
    const what = `${linear?.name ?? 'This linear'} of block ${block}: ${nothing}`;
    figure.draw({ title: what, note: '', alt: what, table: { columns: [], rows: [] } }, () => ({}), 40);
    return;
  }
  const [before, after] = [variation(spread.before), variation(spread.after)];
  const how =
    linear.meanScore === undefined
      ? 'what the metric multiplies the weights of a channel by'
      : 'the mean score of the weights of a channel';
  figure.draw(
    {
      title: spreadInWords(`${linear.name} in block ${block}`, before, after),
      note: `How many groups hold how much importance, as a multiple of the mean; importance is ${how}. The percentages are the standard deviation as a share of the mean.`,
      alt: `Histogram of the importance of ${spread.before.length} groups before and after the shuffle: standard deviation ${percent(before)} and ${percent(after)} of the mean.`,
      table: {
        columns: ['group', 'importance, original order', 'importance, shuffled order'],
        rows: Array.from(spread.before, (value, g) => [g, value, spread.after[g]]),
      },
    },
    spreadBars(spread),
  );
}

/** What the order that was found does to the differences between groups. */
function spreadInWords(where: string, before: number, after: number): string {
  const [was, is] = [percent(before), percent(after)];
  if (was === is) return `The groups of ${where} differ by ${is}, in either order`;
  return after < before
    ? `The shuffle evens out the groups of ${where}: they differ by ${is}, before by ${was}`
    : `The groups of ${where} differ by ${is} in the order that was found, before by ${was}`;
}

function spreadOf(run: ShownRun, block: number, linear: LinearData): Spread | undefined {
  const importance = importanceIn(run, block, linear);
  const { permutation, pattern } = linear;
  if (importance === undefined || permutation === undefined || pattern === undefined) return undefined;
  const order = run.read(permutation);
  const sums = (channelAt: (position: number) => number) => {
    const groups = new Float64Array(linear.cols / pattern.group);
    for (let i = 0; i < linear.cols; i++) groups[Math.floor(i / pattern.group)]! += importance[channelAt(i)]!;
    const mean = groups.reduce((sum, value) => sum + value, 0) / groups.length;
    return groups.map((value) => value / mean);
  };
  return { before: sums((i) => i), after: sums((i) => order[i]!) };
}

/** The standard deviation of numbers whose mean is 1. */
function variation(values: Float64Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + (value - 1) ** 2, 0) / values.length);
}

function spreadBars({ before, after }: Spread): Drawing {
  const [low, high] = rangeOf([...rangeOf(before), ...rangeOf(after)]);
  const bars = Math.max(8, Math.min(MAX_BARS, Math.round(before.length / GROUPS_A_BAR)));
  const width = (high - low) / bars;
  const steps = (values: Float64Array) =>
    histogram(values, low, high, bars).map((count, bin) => [low + (bin + 0.5) * width, count]);
  return (theme) => ({
    legend: { top: 0, textStyle: { color: theme.text } },
    tooltip: {
      trigger: 'axis',
      valueFormatter: (value) => `${shortNumber(Number(value))} groups`,
    },
    xAxis: {
      type: 'value',
      min: low,
      max: high,
      ...axis(theme, 'importance of a group, 1 is the mean', {}),
      axisLabel: { color: theme.text, hideOverlap: true, formatter: (value: number) => value.toFixed(2) },
    },
    yAxis: { type: 'value', ...axis(theme, 'groups', { nameGap: 44 }) },
    series: [
      {
        name: 'original order',
        type: 'line',
        step: 'middle',
        symbol: 'none',
        data: steps(before),
        lineStyle: { type: 'dashed', width: 2 },
        areaStyle: { opacity: 0.12 },
      },
      {
        name: 'shuffled order',
        type: 'line',
        step: 'middle',
        symbol: 'none',
        data: steps(after),
        lineStyle: { width: 2 },
        areaStyle: { opacity: 0.25 },
      },
    ],
  });
}
