import type { ChannelTokens } from '../../src/data.ts';
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

/** Opens the page of a channel over the report: what it carries, who keeps it, what it is in other blocks. */
export function openChannel(run: ShownRun, channels: Channels, channel: number): void {
  const { tap, block } = channels;
  const title = `Channel ${channel} of ${tap.name}, block ${block}`;
  const depth = new ChartFigure(`channel-${channel}`);
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
    ...tokens(tap.tokens?.find((one) => one.channel === channel)),
    depth.element,
  );
  dialog.addEventListener('close', () => {
    dialog.remove();
  });
  document.body.append(dialog);
  dialog.showModal();
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

/** What excites the channel: each token within its context. */
function tokens(found: ChannelTokens | undefined): HTMLElement[] {
  if (found === undefined) return [];
  return [
    element('h3', {}, 'The tokens that excite it most'),
    element(
      'ol',
      { class: 'tokens' },
      ...found.tokens.map(({ before, token, after, value }) =>
        element(
          'li',
          {},
          element('span', {}, before),
          element('mark', {}, token),
          element('span', {}, after),
          element('span', { class: 'quiet' }, ` ${shortNumber(value)}`),
        ),
      ),
    ),
  ];
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
