import type { LinearData, ReportData } from '../../src/data.ts';
import { choice, element } from '../dom.ts';
import { ChartFigure } from '../figure.ts';
import { percent, shortNumber } from '../format.ts';
import { medianOf, rangeOf } from '../histogram.ts';
import { axis, colourBar, type Drawing, type HeatmapSeriesOption } from '../plot.ts';
import type { ShownRun } from '../run.ts';
import { accumulatedFigure } from './accumulated.ts';
import { section } from './section.ts';

/** What can be shown of every linear. */
interface Measure {
  readonly name: string;
  readonly title: string;
  readonly note: string;
  readonly of: (linear: LinearData) => number | undefined;
}

const MEASURES: readonly Measure[] = [
  {
    name: 'Output error',
    title: 'Where pruning changes the outputs of linears most',
    note: 'How much a linear’s output changes on 64 inputs of the calibration, ‖XW − XŴ‖ / ‖XW‖: 0 % is as before, 100 % as if it were gone.',
    of: ({ outputError }) => outputError,
  },
  {
    name: 'Score lost',
    title: 'Where pruning takes most of the score away',
    note: 'The share of all scores that the pruned weights carried, in the order that was found.',
    of: ({ keptScore, totalScore }) =>
      keptScore === undefined || totalScore === undefined ? undefined : 1 - keptScore.after / totalScore,
  },
  {
    name: 'Gain of the shuffle',
    title: 'Where another order of channels keeps more of the score',
    note: 'How much more score the pattern keeps in the shuffled order of channels than in the original one.',
    of: ({ keptScore }) =>
      keptScore === undefined || !(keptScore.before > 0) ? undefined : keptScore.after / keptScore.before - 1,
  },
  {
    name: 'Size',
    title: 'How many of its bytes each linear has left',
    note: 'Values and indices as a share of the same linear in 16 bits.',
    of: ({ bytes, rows, cols, pattern }) => (pattern === undefined ? undefined : bytes / (2 * rows * cols)),
  },
];

/** What the depth chart shows of a run. */
interface Depth {
  readonly data: Pick<ReportData, 'blocks'>;
  readonly linearNames: readonly string[];
}

/** Figures of every linear, block by block. */
export function depthSection(run: ShownRun): { element: HTMLElement; draw: () => void } {
  const depth = depthView();
  const accumulated = accumulatedFigure();
  const isPruned = measuresOf(run).length > 0;
  const lead = isPruned
    ? 'Each cell is a linear: blocks from left to right in the order in which a token passes them, linears from top to bottom.'
    : 'No linear is pruned yet.';
  return {
    element: section('Depth', lead, ...(isPruned ? [...depth.elements, accumulated.figure.element] : [])),
    draw() {
      depth.draw(run);
      accumulated.draw(run.data.blocks);
    },
  };
}

function measuresOf({ data }: Depth): readonly Measure[] {
  return MEASURES.filter(({ of }) =>
    data.blocks.some(({ linears }) => linears.some((linear) => of(linear) !== undefined)),
  );
}

/** The chart, to be drawn again where the run goes on: what was chosen to be shown stays. */
export function depthView(): { elements: readonly HTMLElement[]; draw: (depth: Depth) => void } {
  const figure = new ChartFigure('depth');
  const outliers = element('p', { class: 'findings' });
  let shown: Depth | undefined;
  let chosen: string | undefined;
  let offered = '';
  const draw = () => {
    if (shown === undefined) return;
    const measures = measuresOf(shown);
    const measure = measures.find(({ name }) => name === chosen) ?? measures[0];
    if (measure === undefined) return;
    const names = measures.map(({ name }) => name);
    if (names.join() !== offered) {
      offered = names.join();
      const onChoice = (name: string) => {
        chosen = name;
        draw();
      };
      figure.controls.replaceChildren(
        choice(
          'Show',
          names.map((name) => [name, name] as const),
          onChoice,
          measure.name,
        ),
      );
    }
    drawMeasure(figure, outliers, shown, measure);
  };
  return {
    elements: [figure.element, outliers],
    draw(depth) {
      shown = depth;
      draw();
    },
  };
}

/** With more blocks, a cell is narrower than its figure. */
const MAX_LABELLED_BLOCKS = 12;

interface Found {
  /** Of the blocks that are shown, from 0. */
  readonly column: number;
  readonly block: number;
  readonly name: string;
  readonly value: number;
}

function drawMeasure(figure: ChartFigure, outliers: HTMLElement, run: Depth, measure: Measure): void {
  const { data, linearNames } = run;
  const found = valuesOf(data, measure);
  const far = outliersOf(found);
  outliers.textContent =
    far.length === 0 ? 'No linear stands far out.' : `Far out: ${far.map(inWords).join('; ')}.`;
  const most = found.reduce((best, one) => (one.value > best.value ? one : best), found[0]!);
  figure.draw(
    {
      title: measure.title,
      note: measure.note,
      alt: `Heat map of ${data.blocks.length} blocks by ${linearNames.length} linears. The largest is ${inWords(most)}. ${outliers.textContent}`,
      table: {
        columns: ['linear', 'block', 'rows', 'cols', ...MEASURES.map(({ name }) => name.toLowerCase())],
        rows: data.blocks.flatMap(({ block, linears }) =>
          linears.map((linear) => [
            linear.name,
            block,
            linear.rows,
            linear.cols,
            ...MEASURES.map(({ of }) => of(linear)),
          ]),
        ),
      },
    },
    heatMap(run, measure.name.toLowerCase(), found, new Set(far)),
    Math.min(900, 120 + 24 * linearNames.length),
  );
}

function heatMap(
  { data, linearNames }: Depth,
  name: string,
  found: readonly Found[],
  far: ReadonlySet<Found>,
): Drawing {
  const [low, high] = rangeOf(found.map(({ value }) => value));
  return (theme) => ({
    grid: { left: 8, right: 16, top: 8, bottom: 76, containLabel: true },
    tooltip: { formatter: (at: unknown) => inWords(found[(at as { dataIndex: number }).dataIndex]!) },
    xAxis: {
      type: 'category',
      data: data.blocks.map(({ block }) => String(block)),
      ...axis(theme, 'block', { splitLine: { show: false } }),
    },
    yAxis: {
      type: 'category',
      inverse: true,
      data: [...linearNames],
      axisLabel: { color: theme.text, fontSize: 12 },
      axisLine: { show: false },
      axisTick: { show: false },
    },
    visualMap: colourBar(theme, name, low, high),
    series: [
      {
        type: 'heatmap',
        // Figures in the cells, where there is room for them.
        label: {
          show: data.blocks.length <= MAX_LABELLED_BLOCKS,
          fontSize: 11,
          color: '#10151d',
          backgroundColor: 'rgba(255, 255, 255, 0.88)',
          borderRadius: 3,
          padding: [4, 5, 2, 5],
          formatter: (at: unknown) => percent(found[(at as { dataIndex: number }).dataIndex]!.value),
        },
        data: found.map((one) => ({
          value: [one.column, linearNames.indexOf(one.name), one.value],
          // What stands far out has a frame, so that colour is not the only mark.
          itemStyle: far.has(one)
            ? { borderColor: theme.text, borderWidth: 2 }
            : { borderColor: theme.surface, borderWidth: 1 },
        })),
        emphasis: { itemStyle: { borderColor: theme.text, borderWidth: 2 } },
      } satisfies HeatmapSeriesOption,
    ],
  });
}

function valuesOf({ blocks }: Pick<ReportData, 'blocks'>, { of }: Measure): Found[] {
  return blocks.flatMap(({ block, linears }, column) =>
    linears.flatMap((linear) => {
      const value = of(linear);
      return value === undefined ? [] : [{ column, block, name: linear.name, value }];
    }),
  );
}

/** Beyond so many times the usual distance from the median, a value is far out (Iglewicz and Hoaglin, 1993). */
const FAR = 3.5;

/** Those named at most. */
const MAX_NAMED = 6;

function outliersOf(found: readonly Found[]): Found[] {
  const median = medianOf(found.map(({ value }) => value));
  const usual = medianOf(found.map(({ value }) => Math.abs(value - median)));
  const distance = ({ value }: Found) => Math.abs(value - median);
  return found
    .filter((one) => 0.6745 * distance(one) > FAR * usual && distance(one) > 1e-9)
    .sort((a, b) => distance(b) - distance(a))
    .slice(0, MAX_NAMED);
}

function inWords({ block, name, value }: Found): string {
  return `${name} of block ${block}, ${Math.abs(value) < 10 ? percent(value) : shortNumber(value)}`;
}
