import { channelsOf, rankCorrelation, rankedOtherwise, type Channels } from '../channels.ts';
import { choice, element } from '../dom.ts';
import { ChartFigure } from '../figure.ts';
import { percent, shortNumber } from '../format.ts';
import { rangeOf } from '../histogram.ts';
import { axis, colourBar, NAMED_AXIS, type Drawing, type ScatterSeriesOption } from '../plot.ts';
import type { Theme } from '../theme.ts';
import type { ShownRun } from '../run.ts';
import { blockChoice } from './block-choice.ts';
import { openChannel } from './channel.ts';
import { ridgeFigure } from './ridge.ts';
import { section } from './section.ts';

/** Channels of the inputs of linears: how much they carry, and how often they are kept. */
export function channelsSection(run: ShownRun): { element: HTMLElement; draw: () => void } {
  const { detailed, tapNames } = run;
  if (detailed.length === 0) {
    return {
      element: section('Channels', 'No block is pruned yet.'),
      draw: () => undefined,
    };
  }
  const figure = new ChartFigure('channels');
  const ridge = ridgeFigure(run);
  let block = detailed[0]!;
  let tap = tapNames[0]!;
  let shown: Channels | undefined;
  const draw = () => {
    shown = channelsOf(run, block, tap);
    if (shown !== undefined) drawChannels(figure, run, shown);
    ridge.draw(tap);
  };
  const open = (channel: number) => {
    if (shown !== undefined) openChannel(run, shown, channel);
  };
  // Rings, the second series, stand for channels of their own.
  figure.onClick((item, series) => {
    if (shown !== undefined) open(series === 0 ? item : rankedOtherwise(shown)[item]!);
  });
  figure.controls.append(
    blockChoice(detailed, (chosen) => {
      block = chosen;
      draw();
    }),
    choice(
      'Input of',
      tapNames.map((name) => [name, tapInWords(run, name)] as const),
      (value) => {
        tap = value;
        draw();
      },
    ),
    channelField(() => shown?.tap.channels ?? 0, open),
  );
  return {
    element: section(
      'Channels',
      'A point is a channel of the input of one or more linears. Click one, or name it, to see what becomes of it.',
      figure.element,
      ridge.figure.element,
    ),
    draw,
  };
}

/** The linears that read a tap, as the first block has them. */
function tapInWords({ data }: ShownRun, tap: string): string {
  const names = data.blocks
    .find(({ linears }) => linears.some((linear) => linear.tap === tap))
    ?.linears.filter((linear) => linear.tap === tap)
    .map(({ name }) => name);
  return names === undefined ? tap : `${names.join(', ')} (${tap})`;
}

function channelField(channels: () => number, open: (channel: number) => void): HTMLElement {
  const field = element('input', { type: 'number', min: 0, step: 1, inputmode: 'numeric' });
  return element(
    'form',
    {
      class: 'inline',
      onsubmit: (event) => {
        event.preventDefault();
        const channel = Number(field.value);
        if (field.value !== '' && Number.isInteger(channel) && channel >= 0 && channel < channels()) {
          field.setCustomValidity('');
          open(channel);
        } else {
          field.setCustomValidity(`A channel from 0 to ${channels() - 1}`);
          field.reportValidity();
        }
      },
    },
    element('label', {}, element('span', {}, 'Channel'), field),
    element('button', { type: 'submit' }, 'Show'),
  );
}

function drawChannels(figure: ChartFigure, run: ShownRun, channels: Channels): void {
  const { tap, entropy, amplitude, kept, ranks, block } = channels;
  const marked = rankedOtherwise(channels);
  const [x, y] = axesOf(channels);
  const hasBoth = entropy !== undefined && amplitude !== undefined;
  const colour =
    hasBoth && kept !== undefined ? ' Colour: the share of the channel’s weights that are kept.' : '';
  const rings =
    marked.length === 0
      ? ''
      : ` Rings: the ${marked.length === 1 ? 'channel' : `${marked.length} channels`} that E-Sparse ranks most differently from Wanda, which looks at the amplitude alone.`;
  figure.draw(
    {
      title: hasBoth ? loudnessInWords(entropy, amplitude) : 'How often each channel is kept',
      note: `${x.note} ${y.note}${colour}${rings}`,
      alt: `${tap.channels} channels of ${tap.name} in block ${block}: ${x.name} across, ${y.name} upwards. ${marked.length} are marked.`,
      table: {
        columns: [
          'channel',
          'entropy, nats',
          'amplitude',
          'share kept',
          'rank, E-Sparse',
          'rank, Wanda',
          'marked',
        ],
        rows: Array.from({ length: tap.channels }, (_, c) => [
          c,
          entropy?.[c],
          amplitude?.[c],
          kept?.[c],
          ranks?.eSparse[c],
          ranks?.wanda[c],
          marked.includes(c) ? 'yes' : '',
        ]),
        onChoose: ([channel]) => {
          openChannel(run, channels, Number(channel));
        },
      },
    },
    scatter(channels, marked, x, y),
    420,
  );
}

/** From the least to the greatest value, with some room; zeros have no place on a logarithmic axis. */
function bounds({ values, log }: ChannelAxis): { min: number; max: number } {
  const [low, high] = rangeOf(log ? Array.from(values).filter((value) => value > 0) : Array.from(values));
  if (log) return low > 0 ? { min: low / 1.1, max: high * 1.1 } : { min: 0.1, max: 1 };
  const room = 0.04 * (high - low) || 0.5;
  return { min: low - room, max: high + room };
}

function shortLabels({ text }: Theme) {
  return {
    axisLabel: {
      color: text,
      fontSize: 12,
      hideOverlap: true,
      formatter: (value: number) => shortNumber(Number(value.toPrecision(3))),
    },
  };
}

/** Below this, knowing how loud a channel is says little of its entropy. */
const CORRELATED = 0.5;

function loudnessInWords(entropy: Float64Array, amplitude: Float64Array): string {
  const correlation = rankCorrelation(entropy, amplitude);
  const what =
    correlation < CORRELATED
      ? 'Loud channels are not always those that say much'
      : 'Loud channels are also those that say much';
  return `${what}: rank correlation ${correlation.toFixed(2)}`;
}

interface ChannelAxis {
  readonly name: string;
  readonly note: string;
  readonly log: boolean;
  readonly values: ArrayLike<number>;
}

/** Amplitude and entropy where the run has them; else what it has against the share that is kept. */
function axesOf({ tap, entropy, amplitude, kept }: Channels): [ChannelAxis, ChannelAxis] {
  const loud = amplitude && {
    name: 'amplitude',
    note: 'Across: amplitude, the root of the sum of squares over a sequence, as Wanda has it.',
    log: true,
    values: amplitude,
  };
  const telling = entropy && {
    name: 'entropy, nats',
    note: 'Upwards: entropy of the channel’s values, in nats.',
    log: false,
    values: entropy,
  };
  const share = {
    name: 'share kept',
    note: 'Upwards: the share of the channel’s weights that are kept.',
    log: false,
    values: kept ?? new Float64Array(tap.channels),
  };
  const number = {
    name: 'channel',
    note: 'Across: channels in their original order.',
    log: false,
    values: Float64Array.from({ length: tap.channels }, (_, c) => c),
  };
  if (loud !== undefined && telling !== undefined) return [loud, telling];
  return [loud ?? (telling && { ...telling, note: 'Across: entropy, in nats.' }) ?? number, share];
}

function scatter(
  { tap, entropy, amplitude, kept, ranks }: Channels,
  marked: readonly number[],
  x: ChannelAxis,
  y: ChannelAxis,
): Drawing {
  const at = (c: number) => [x.values[c]!, y.values[c]!, kept?.[c] ?? 0];
  const points = Array.from({ length: tap.channels }, (_, c) => at(c));
  const [least, most] = rangeOf(kept ?? []);
  const colours = entropy !== undefined && amplitude !== undefined && kept !== undefined;
  const inWords = (c: number) =>
    [
      `channel ${c}`,
      ...(entropy ? [`entropy ${shortNumber(entropy[c]!)} nats`] : []),
      ...(amplitude ? [`amplitude ${shortNumber(amplitude[c]!)}`] : []),
      ...(kept ? [`kept ${percent(kept[c]!)}`] : []),
      ...(ranks ? [`rank ${ranks.eSparse[c]!} by E-Sparse, ${ranks.wanda[c]!} by Wanda`] : []),
    ].join('\n');
  return (theme) => ({
    grid: { left: NAMED_AXIS, right: 24, top: 16, bottom: colours ? 76 : 40, containLabel: true },
    tooltip: {
      formatter: (hovered: unknown) => {
        const { dataIndex, seriesIndex } = hovered as { dataIndex: number; seriesIndex: number };
        return inWords(seriesIndex === 0 ? dataIndex : marked[dataIndex]!);
      },
    },
    xAxis: { type: x.log ? 'log' : 'value', ...bounds(x), ...axis(theme, x.name, shortLabels(theme)) },
    yAxis: { type: 'value', ...bounds(y), ...axis(theme, y.name, { nameGap: 44, ...shortLabels(theme) }) },
    dataZoom: [
      { type: 'inside', xAxisIndex: 0, zoomOnMouseWheel: 'ctrl', filterMode: 'none' },
      { type: 'inside', yAxisIndex: 0, zoomOnMouseWheel: 'ctrl', filterMode: 'none' },
    ],
    ...(colours && {
      visualMap: colourBar(theme, 'share kept', least, most),
    }),
    series: [
      {
        type: 'scatter',
        data: points,
        symbolSize: tap.channels > 4096 ? 4 : 6,
        itemStyle: { opacity: 0.8, ...(!colours && { color: theme.series[0]! }) },
      } satisfies ScatterSeriesOption,
      {
        type: 'scatter',
        data: marked.map(at),
        symbol: 'circle',
        symbolSize: 13,
        itemStyle: { color: 'transparent', borderColor: theme.series[1]!, borderWidth: 2 },
      } satisfies ScatterSeriesOption,
    ],
  });
}
