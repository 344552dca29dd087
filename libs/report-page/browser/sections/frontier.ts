import type { FrontierPoint, Roofline } from '../../src/data.ts';
import { ChartFigure, type FigureContent } from '../figure.ts';
import { shortNumber } from '../format.ts';
import { rangeOf } from '../histogram.ts';
import { axis, NAMED_AXIS, type Drawing } from '../plot.ts';
import type { ShownRun } from '../run.ts';
import { section } from './section.ts';

const KINDS: readonly { kind: FrontierPoint['kind']; name: string; symbol: string }[] = [
  { kind: 'this', name: 'this run', symbol: 'circle' },
  { kind: 'compared', name: 'compared with', symbol: 'diamond' },
  { kind: 'given', name: 'given by --points', symbol: 'triangle' },
];

/** Models side by side: what a weight costs, against what the model is worth and how fast it is. */
export function frontierSection(run: ShownRun): { element: HTMLElement; draw: () => void } | undefined {
  const { frontier, roofline } = run.data;
  const measured = frontier.filter(({ perplexity }) => perplexity !== undefined);
  const timed = frontier.filter(({ tokensPerSecond }) => tokensPerSecond !== undefined);
  if (measured.length === 0 && timed.length === 0) return undefined;
  const [quality, speed] = [new ChartFigure('frontier'), new ChartFigure('speed')];
  const shown = [
    ...(measured.length === 0 ? [] : [quality.element]),
    ...(timed.length === 0 ? [] : [speed.element]),
  ];
  return {
    element: section(
      'Frontier',
      'Models by the bits that a weight of their blocks takes, indices and orders counted. Compare at equal bits: of two points ' +
        'above one another, the lower perplexity, or the higher speed, is the better model. Point at one to see its name and figures.',
      ...shown,
    ),
    draw() {
      if (measured.length > 0) {
        quality.draw(
          content(
            'Perplexity at its price in bits: lower and further left is better',
            'Across: bits a weight. Upwards: perplexity.',
            measured,
          ),
          points(measured, 'perplexity', ({ perplexity }) => perplexity!),
        );
      }
      if (timed.length > 0) {
        speed.draw(
          content(
            'Fewer bits are read sooner: tokens a second, and what memory allows',
            roofline === undefined
              ? 'Across: bits a weight. Upwards: tokens a second while one sequence is decoded.'
              : `Across: bits a weight. Upwards: tokens a second while one sequence is decoded. The line is what reading every weight once a token allows on this machine, at ${shortNumber(roofline.bandwidth / 1e9)} GB/s.`,
            timed,
          ),
          points(timed, 'tokens a second', ({ tokensPerSecond }) => tokensPerSecond!, roofline),
        );
      }
    },
  };
}

function content(title: string, note: string, shown: readonly FrontierPoint[]): FigureContent {
  return {
    ...{ title, note },
    alt: `${title}. ${shown
      .map(({ name, bitsPerWeight, perplexity, tokensPerSecond }) =>
        [
          `${name}: ${shortNumber(bitsPerWeight)} bits`,
          ...(perplexity === undefined ? [] : [`perplexity ${shortNumber(perplexity)}`]),
          ...(tokensPerSecond === undefined ? [] : [`${shortNumber(tokensPerSecond)} tokens a second`]),
        ].join(', '),
      )
      .join('; ')}`,
    table: {
      columns: ['model', 'kind', 'bits a weight', 'perplexity', 'tokens a second'],
      rows: shown.map(({ name, kind, bitsPerWeight, perplexity, tokensPerSecond }) => [
        name,
        KINDS.find((one) => one.kind === kind)!.name,
        bitsPerWeight,
        perplexity,
        tokensPerSecond,
      ]),
    },
  };
}

function points(
  shown: readonly FrontierPoint[],
  name: string,
  of: (point: FrontierPoint) => number,
  roofline?: Roofline,
): Drawing {
  const [, most] = rangeOf(shown.map(({ bitsPerWeight }) => bitsPerWeight));
  return (theme) => ({
    grid: { left: NAMED_AXIS, right: 90, top: 40, bottom: 40, containLabel: true },
    legend: { top: 0, itemWidth: 16, textStyle: { color: theme.text } },
    tooltip: {},
    xAxis: { type: 'value', min: 0, max: Math.ceil(most) + 1, ...axis(theme, 'bits a weight', {}) },
    yAxis: {
      type: 'value',
      scale: roofline === undefined,
      ...axis(theme, name, { nameGap: 44 }),
    },
    series: [
      ...KINDS.flatMap(({ kind, name: kindName, symbol }) => {
        const own = shown.filter((point) => point.kind === kind);
        if (own.length === 0) return [];
        return [
          {
            type: 'scatter' as const,
            name: kindName,
            symbol,
            symbolSize: 13,
            data: own.map((point) => ({ name: point.name, value: [point.bitsPerWeight, of(point)] })),
            label: {
              show: true,
              position: 'right' as const,
              color: theme.text,
              formatter: ({ name: label }: { name: string }) => label,
            },
            // The others are named where one points at them, and in the table.
            labelLayout: { hideOverlap: true },
            tooltip: {
              formatter: (at: unknown) => {
                const { name: label, value } = at as { name: string; value: [number, number] };
                return `${label}\n${shortNumber(value[0])} bits a weight\n${shortNumber(value[1])} ${name}`;
              },
            },
          },
        ];
      }),
      ...(roofline === undefined ? [] : [roof(roofline, Math.ceil(most) + 1)]),
    ],
  });
}

/** Tokens a second that memory allows, by the bits of a weight. */
function roof({ bandwidth, weights, otherBytes }: Roofline, most: number) {
  const bits = Array.from({ length: 80 }, (_, i) => 1 + (i / 79) * (most - 1));
  return {
    type: 'line' as const,
    name: 'bound by memory',
    symbol: 'none',
    lineStyle: { type: 'dashed' as const },
    data: bits.map((each) => [each, bandwidth / ((weights * each) / 8 + otherBytes)]),
  };
}
