import type { BlockData } from '../../src/data.ts';
import { ChartFigure } from '../figure.ts';
import { percent } from '../format.ts';
import { axis, type Drawing } from '../plot.ts';

/** How the error grows as a token passes block after block; hidden where it was not recorded. */
export function accumulatedFigure(): { figure: ChartFigure; draw: (blocks: readonly BlockData[]) => void } {
  const figure = new ChartFigure('accumulated-error');
  return {
    figure,
    draw(blocks) {
      const known = blocks.flatMap(({ block, inputError }) =>
        inputError === undefined ? [] : [{ block, error: inputError }],
      );
      figure.element.hidden = known.length < 2;
      if (known.length >= 2) drawError(figure, known);
    },
  };
}

interface Point {
  readonly block: number;
  readonly error: number;
}

function drawError(figure: ChartFigure, points: readonly Point[]): void {
  const [first, last] = [points[0]!, points.at(-1)!];
  const what = last.error >= first.error ? 'grows' : 'falls';
  figure.draw(
    {
      title: `The error ${what} from ${percent(first.error)} before block ${first.block} to ${percent(last.error)} before block ${last.block}`,
      note: 'How far what reaches a block is from what reaches it in the dense model, ‖X − X̂‖ / ‖X‖ over one shard of the calibration: all that the blocks before it have changed.',
      alt: `Line of the accumulated error before ${points.length} blocks, from ${percent(first.error)} to ${percent(last.error)}.`,
      table: {
        columns: ['block', 'accumulated error'],
        rows: points.map(({ block, error }) => [block, error]),
      },
    },
    line(points),
    240,
  );
}

function line(points: readonly Point[]): Drawing {
  return (theme) => ({
    tooltip: { trigger: 'axis', valueFormatter: (value) => percent(Number(value)) },
    xAxis: {
      type: 'category',
      data: points.map(({ block }) => String(block)),
      ...axis(theme, 'before block', {}),
    },
    yAxis: {
      type: 'value',
      min: 0,
      ...axis(theme, 'accumulated error', { nameGap: 44 }),
      axisLabel: { color: theme.text, formatter: (value: number) => `${Math.round(100 * value)} %` },
    },
    series: [
      {
        type: 'line',
        name: 'accumulated error',
        data: points.map(({ error }) => error),
        areaStyle: { opacity: 0.15 },
      },
    ],
  });
}
