import type { ComposeOption } from 'echarts/core';
import { init, use, type ECharts } from 'echarts/core';
import {
  BarChart,
  CustomChart,
  HeatmapChart,
  LineChart,
  ScatterChart,
  type BarSeriesOption,
  type CustomSeriesOption,
  type HeatmapSeriesOption,
  type LineSeriesOption,
  type ScatterSeriesOption,
} from 'echarts/charts';
import {
  DataZoomInsideComponent,
  GridComponent,
  LegendComponent,
  TooltipComponent,
  VisualMapContinuousComponent,
  type DataZoomComponentOption,
  type GridComponentOption,
  type LegendComponentOption,
  type TooltipComponentOption,
  type VisualMapComponentOption,
} from 'echarts/components';
import { LabelLayout } from 'echarts/features';
import { CanvasRenderer } from 'echarts/renderers';
import { percent } from './format.ts';
import { currentTheme, onThemeChange, type Theme } from './theme.ts';

use([
  BarChart,
  CustomChart,
  HeatmapChart,
  LineChart,
  ScatterChart,
  DataZoomInsideComponent,
  GridComponent,
  LegendComponent,
  TooltipComponent,
  VisualMapContinuousComponent,
  CanvasRenderer,
  LabelLayout,
]);

export type { CustomSeriesOption, HeatmapSeriesOption, LineSeriesOption, ScatterSeriesOption };

export type PlotOption = ComposeOption<
  | BarSeriesOption
  | CustomSeriesOption
  | HeatmapSeriesOption
  | LineSeriesOption
  | ScatterSeriesOption
  | DataZoomComponentOption
  | GridComponentOption
  | LegendComponentOption
  | TooltipComponentOption
  | VisualMapComponentOption
>;

/** What a chart looks like in these colours. */
export type Drawing = (theme: Theme) => PlotOption;

/** Draws a chart into an element, and again where its size or the colours change. */
export class Plot {
  readonly #chart: ECharts;
  #drawing: Drawing | undefined;

  constructor(readonly host: HTMLElement) {
    this.#chart = init(host, undefined, { renderer: 'canvas' });
    new ResizeObserver(() => {
      this.#chart.resize();
    }).observe(host);
    onThemeChange(() => {
      this.#redraw();
    });
  }

  draw(drawing: Drawing): void {
    this.#drawing = drawing;
    this.#redraw();
  }

  /** Calls `onClick` with the index of the series and of the item that was clicked. */
  onClick(onClick: (item: number, series: number) => void): void {
    this.#chart.on('click', ({ dataIndex, seriesIndex }) => {
      onClick(dataIndex, seriesIndex ?? 0);
    });
  }

  #redraw(): void {
    if (this.#drawing === undefined) return;
    this.#chart.setOption(withDefaults(this.#drawing(currentTheme()), currentTheme()), { notMerge: true });
  }
}

/** Pixels that the name of an upright axis takes beside its labels. */
export const NAMED_AXIS = 28;

/** Text within the picture, which needs no markup; no motion; room for the labels of axes. */
function withDefaults(option: PlotOption, { text, surface, line, series }: Theme): PlotOption {
  return {
    animation: false,
    backgroundColor: 'transparent',
    color: series.slice(),
    // By name: a canvas takes no 'inherit', and would draw all texts in ten pixels of its own.
    textStyle: { color: text, fontFamily: getComputedStyle(document.body).fontFamily },
    grid: { left: NAMED_AXIS, right: 24, top: 32, bottom: 40, containLabel: true },
    ...option,
    tooltip: {
      renderMode: 'richText',
      confine: true,
      backgroundColor: surface,
      borderColor: line,
      textStyle: { color: text, fontSize: 12 },
      // A chart has one of them.
      ...(option.tooltip as TooltipComponentOption | undefined),
    },
  };
}

/** What the colours of a chart stand for: shares, of the third number of each item of the first series. */
export function colourBar({ text, scale }: Theme, name: string, low: number, high: number) {
  return {
    type: 'continuous' as const,
    seriesIndex: 0,
    dimension: 2,
    min: low,
    // Colours need a range.
    max: high > low ? high : low + 1e-9,
    calculable: true,
    text: ['', name],
    orient: 'horizontal' as const,
    left: 'center',
    bottom: 0,
    itemWidth: 12,
    itemHeight: 160,
    formatter: (value: unknown) => percent(Number(value)),
    textStyle: { color: text },
    inRange: { color: [...scale] },
  };
}

/** An axis with its name in the middle, in the colours of the theme. */
export function axis<Options extends object>({ text, quiet, line }: Theme, name: string, options: Options) {
  return {
    name,
    nameLocation: 'middle' as const,
    nameGap: 28,
    nameTextStyle: { color: quiet, fontSize: 13 },
    axisLabel: { color: text, fontSize: 12, hideOverlap: true },
    axisLine: { lineStyle: { color: line } },
    splitLine: { lineStyle: { color: line, opacity: 0.6 } },
    ...options,
  };
}
