import type { Excerpt } from '../../src/data.ts';
import { channelsOf, type Channels } from '../channels.ts';
import { element } from '../dom.ts';
import { ChartFigure } from '../figure.ts';
import { percent, shortNumber } from '../format.ts';
import { axis, type Drawing } from '../plot.ts';
import type { ShownRun } from '../run.ts';
import { table } from '../table.ts';

/** A channel in every block that is shown. */
interface AtDepth {
  readonly block: number;
  readonly entropy: number | undefined;
  readonly amplitude: number | undefined;
  readonly kept: number | undefined;
}

const FEWER =
  'Of a model this large the page has histograms and tokens of those channels that E-Sparse ranks most differently from Wanda.';

/** Opens the page of a channel over the report: what it carries, who keeps it, what it is in other blocks. */
export function openChannel(run: ShownRun, channels: Channels, channel: number): void {
  const { tap, block } = channels;
  const title = `Channel ${channel} of ${tap.name}, block ${block}`;
  const depth = new ChartFigure(`channel-${channel}`);
  const histogram = new ChartFigure(`channel-${channel}-values`);
  const shown = shownOf(run, channels, channel);
  const hasHistogram = shown.shares !== undefined && shown.low! < shown.high!;
  const dialog = element(
    'dialog',
    { 'aria-label': title },
    element(
      'form',
      { method: 'dialog', class: 'bar' },
      element('h2', {}, title),
      element('button', { type: 'submit' }, 'Close'),
    ),
    facts(channels, channel),
    element('h3', {}, 'Which linears keep it'),
    table(
      {
        columns: ['linear', 'share of its weights kept', 'group, original order', 'group, shuffled order'],
        rows: keepers(run, channels, channel),
      },
      `Linears that read channel ${channel}`,
    ),
    ...tokens(shown.tokens),
    ...(hasHistogram ? [histogram.element] : []),
    ...(tap.shown !== undefined && shown.shares === undefined && shown.tokens === undefined
      ? [element('p', { class: 'quiet' }, FEWER)]
      : []),
    depth.element,
  );
  dialog.addEventListener('close', () => {
    dialog.remove();
  });
  document.body.append(dialog);
  dialog.showModal();
  if (hasHistogram) drawHistogram(histogram, channel, shown as Shown);
  drawDepth(depth, run, tap.name, channel);
}

function facts({ entropy, amplitude, kept, ranks, tap }: Channels, channel: number): HTMLElement {
  const of = tap.channels;
  const rows: (readonly [name: string, value: string])[] = [];
  if (entropy) rows.push(['Entropy', `${shortNumber(entropy[channel]!)} nats`]);
  if (amplitude) rows.push(['Amplitude', shortNumber(amplitude[channel]!)]);
  if (ranks) {
    rows.push(['Rank by E-Sparse', `${ranks.eSparse[channel]!} of ${of}`]);
    rows.push(['Rank by Wanda', `${ranks.wanda[channel]!} of ${of}`]);
  }
  if (kept) rows.push(['Weights kept', percent(kept[channel]!)]);
  return element(
    'dl',
    {},
    ...rows.map(([name, value]) => element('div', {}, element('dt', {}, name), element('dd', {}, value))),
  );
}

function keepers(run: ShownRun, { block, tap }: Channels, channel: number) {
  return run.readersOf(block, tap.name).map(({ name, keptShare, permutation, pattern }) => {
    const place = permutation && run.read(permutation).indexOf(channel);
    return [
      name,
      keptShare === undefined ? undefined : percent(run.read(keptShare)[channel]! / 255),
      pattern && Math.floor(channel / pattern.group),
      pattern && place !== undefined ? Math.floor(place / pattern.group) : undefined,
    ];
  });
}

/** What the page has of a channel beside what it has of all. */
interface Shown {
  readonly shares: readonly number[];
  readonly low: number;
  readonly high: number;
  readonly tokens: readonly { readonly excerpt: Excerpt; readonly value: number }[];
}

function shownOf({ data, read }: ShownRun, { tap }: Channels, channel: number): Partial<Shown> {
  const { shown } = tap;
  const at = shown === undefined ? -1 : read(shown.channels).indexOf(channel);
  if (shown === undefined || at < 0) return {};
  const { histogram, top } = shown;
  const places = Array.from({ length: top?.each ?? 0 }, (_, k) => at * (top?.each ?? 0) + k);
  return {
    ...(histogram && {
      shares: [...read(histogram.shares).subarray(at * histogram.bins, (at + 1) * histogram.bins)],
      low: read(histogram.low)[at]!,
      high: read(histogram.high)[at]!,
    }),
    ...(top && {
      tokens: places.flatMap((place) => {
        const excerpt = data.excerpts?.[read(top.excerpts)[place]!];
        return excerpt === undefined ? [] : [{ excerpt, value: read(top.values)[place]! }];
      }),
    }),
  };
}

/** What excites the channel: each token within its context. */
function tokens(found: Shown['tokens'] = []): HTMLElement[] {
  if (found.length === 0) return [];
  return [
    element('h3', {}, 'The tokens that excite it most'),
    element(
      'ol',
      { class: 'tokens' },
      ...found.map(({ excerpt: [before, token, after], value }) =>
        element(
          'li',
          {},
          element('span', {}, before),
          element('mark', {}, token.trim() === '' ? visible(token) : token),
          element('span', {}, after),
          element('span', { class: 'quiet' }, ` ${shortNumber(value)}`),
        ),
      ),
    ),
  ];
}

/** White space as something that can be seen. */
function visible(token: string): string {
  return token.replaceAll(' ', '␣').replaceAll('\n', '⏎').replaceAll('\t', '⇥') || '∅';
}

function drawHistogram(figure: ChartFigure, channel: number, { shares, low, high }: Shown): void {
  const width = (high - low) / shares.length;
  const total = shares.reduce((sum, share) => sum + share, 0);
  const edge = (bin: number) => low + bin * width;
  const fullest = shares.indexOf(Math.max(...shares));
  figure.draw(
    {
      title: `Most values of channel ${channel} are near ${shortNumber(Number((edge(fullest) + width / 2).toPrecision(2)))}`,
      note: 'How its values are spread over the calibration, from the least to the greatest, as shares of all. Entropy is high where they are spread evenly.',
      alt: `Histogram of the values of channel ${channel} from ${shortNumber(low)} to ${shortNumber(high)}.`,
      table: {
        columns: ['from', 'to', 'share of values'],
        rows: shares.map((share, bin) => [edge(bin), edge(bin + 1), share / total]),
      },
    },
    (theme) => ({
      tooltip: { trigger: 'axis', valueFormatter: (value) => percent(Number(value)) },
      xAxis: {
        type: 'value',
        min: low,
        max: high,
        ...axis(theme, 'value', {}),
        axisLabel: {
          color: theme.text,
          hideOverlap: true,
          formatter: (value: number) => shortNumber(Number(value.toPrecision(3))),
        },
      },
      yAxis: {
        type: 'value',
        ...axis(theme, 'share of values', { nameGap: 44 }),
        axisLabel: {
          color: theme.text,
          formatter: (value: number) => `${Number((100 * value).toPrecision(2))} %`,
        },
      },
      series: [
        {
          type: 'line',
          step: 'middle',
          symbol: 'none',
          name: 'share of values',
          data: shares.map((share, bin) => [edge(bin + 0.5), share / total]),
          areaStyle: { opacity: 0.25 },
        },
      ],
    }),
    220,
  );
}

function drawDepth(figure: ChartFigure, run: ShownRun, tap: string, channel: number): void {
  const depth: AtDepth[] = run.detailed.flatMap((block) => {
    const found = channelsOf(run, block, tap);
    if (found === undefined) return [];
    const { entropy, amplitude, kept } = found;
    return [{ block, entropy: entropy?.[channel], amplitude: amplitude?.[channel], kept: kept?.[channel] }];
  });
  figure.draw(
    {
      title: `How often channel ${channel} is kept, from block to block`,
      note: `The share of its weights that the linears behind ${tap} keep.`,
      alt: `Line of the share of channel ${channel} that is kept in ${depth.length} blocks.`,
      table: {
        columns: ['block', 'share kept', 'entropy, nats', 'amplitude'],
        rows: depth.map(({ block, kept, entropy, amplitude }) => [block, kept, entropy, amplitude]),
      },
    },
    keptLine(depth),
    220,
  );
}

function keptLine(depth: readonly AtDepth[]): Drawing {
  return (theme) => ({
    tooltip: { trigger: 'axis', valueFormatter: (value) => percent(Number(value)) },
    xAxis: { type: 'category', data: depth.map(({ block }) => String(block)), ...axis(theme, 'block', {}) },
    yAxis: {
      type: 'value',
      min: 0,
      max: 1,
      ...axis(theme, 'share kept', { nameGap: 44 }),
      axisLabel: { color: theme.text, formatter: (value: number) => `${Math.round(100 * value)} %` },
    },
    series: [{ type: 'line', data: depth.map(({ kept }) => kept ?? null), name: 'share kept' }],
  });
}
