import { ChartFigure } from '../figure.ts';
import { shortNumber } from '../format.ts';
import { histogram, medianOf, rangeOf } from '../histogram.ts';
import { axis, NAMED_AXIS, type Drawing, type ScatterSeriesOption } from '../plot.ts';
import type { ShownRun } from '../run.ts';

const BINS = 48;

/** How far a ridge reaches over those above it, in blocks. */
const OVERLAP = 2.2;

/** Pixels of a block: more where there are few. */
const bandOf = (blocks: number) => (blocks <= 8 ? 36 : 22);

/** The entropies of a tap's channels in a block. */
interface Ridge {
  readonly block: number;
  readonly entropies: Float64Array;
}

/** How the entropy of the channels of a tap is spread, block by block. */
export function ridgeFigure(run: ShownRun): { figure: ChartFigure; draw: (tap: string) => void } {
  const figure = new ChartFigure('entropy-over-depth');
  return {
    figure,
    draw(tap) {
      const ridges = run.detailed.flatMap((block) => {
        const entropy = run.tap(block, tap)?.entropy;
        return entropy === undefined ? [] : [{ block, entropies: run.read(entropy) }];
      });
      figure.element.hidden = ridges.length === 0;
      if (ridges.length > 0) drawRidges(figure, tap, ridges);
    },
  };
}

function drawRidges(figure: ChartFigure, tap: string, ridges: readonly Ridge[]): void {
  const [low, high] = rangeOf(ridges.flatMap(({ entropies }) => rangeOf(entropies)));
  const medians = ridges.map(({ entropies }) => medianOf(entropies));
  const [first, last] = [medians[0]!, medians.at(-1)!];
  figure.draw(
    {
      title: 'How much channels say, from the first block to the last',
      note: `Each ridge is a block: where it is high, many channels of ${tap} have that entropy. The dot is the median.`,
      alt:
        `Ridges of the entropy of ${tap} in ${ridges.length} blocks, from ${shortNumber(low)} to ${shortNumber(high)} nats; ` +
        `the median goes from ${shortNumber(first)} in the first block to ${shortNumber(last)} in the last.`,
      table: {
        columns: ['block', 'least, nats', 'median, nats', 'greatest, nats'],
        rows: ridges.map(({ block, entropies }, i) => {
          const [least, greatest] = rangeOf(entropies);
          return [block, least, medians[i], greatest];
        }),
      },
    },
    ridgeLines(ridges, medians, low, high),
    56 + (ridges.length + OVERLAP) * bandOf(ridges.length),
  );
}

function ridgeLines(
  ridges: readonly Ridge[],
  medians: readonly number[],
  low: number,
  high: number,
): Drawing {
  const counts = ridges.map(({ entropies }) => histogram(entropies, low, high, BINS));
  const [, most] = rangeOf(counts.flat());
  const width = (high - low) / BINS;
  return (theme) => ({
    grid: {
      left: NAMED_AXIS,
      right: 24,
      top: 12 + (OVERLAP - 0.5) * bandOf(ridges.length),
      bottom: 40,
      containLabel: true,
    },
    tooltip: {
      formatter: (at: unknown) => {
        const { dataIndex } = at as { dataIndex: number };
        return `block ${ridges[dataIndex]!.block}: median ${shortNumber(medians[dataIndex]!)} nats`;
      },
    },
    xAxis: {
      type: 'value',
      min: low,
      max: high,
      ...axis(theme, 'entropy, nats', {}),
      axisLabel: {
        color: theme.text,
        formatter: (value: number) => shortNumber(Number(value.toPrecision(3))),
        hideOverlap: true,
      },
    },
    yAxis: {
      type: 'category',
      inverse: true,
      data: ridges.map(({ block }) => String(block)),
      ...axis(theme, 'block', { splitLine: { show: false }, axisTick: { show: false } }),
    },
    series: [
      {
        type: 'custom',
        data: ridges.map((_, i) => [low, i]),
        clip: false,
        renderItem: ({ dataIndex }, api) => {
          const height = OVERLAP * Math.abs((api.size!([0, 1]) as number[])[1]!);
          const [, ground] = api.coord([low, dataIndex]) as [number, number];
          const points = counts[dataIndex]!.map((count, bin) => [
            api.coord([low + (bin + 0.5) * width, dataIndex])[0]!,
            ground - (height * count) / Math.max(1, most),
          ]);
          const [left, right] = [api.coord([low, dataIndex])[0]!, api.coord([high, dataIndex])[0]!];
          return {
            type: 'polygon',
            shape: { points: [[left, ground], ...points, [right, ground]] as number[][] },
            style: { fill: theme.series[0]!, opacity: 0.9, stroke: theme.surface, lineWidth: 1.5 },
          };
        },
      },
      {
        type: 'scatter',
        data: medians.map((median, i) => [median, i]),
        symbolSize: 6,
        itemStyle: { color: theme.series[1]! },
      } satisfies ScatterSeriesOption,
    ],
  });
}
