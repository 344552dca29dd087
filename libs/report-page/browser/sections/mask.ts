import type { LinearData } from '../../src/data.ts';
import { choice, element } from '../dom.ts';
import { percent } from '../format.ts';
import { rangeOf } from '../histogram.ts';
import { Figure } from '../figure.ts';
import { maskCells } from '../mask-cells.ts';
import { MaskPicture } from '../mask-picture.ts';
import type { ShownRun } from '../run.ts';

/** The mask of a linear, in the original order of its channels or in the shuffled one, near and far. */
export function maskFigure(run: ShownRun): {
  element: HTMLElement;
  draw: (block: number, linear: LinearData | undefined) => void;
} {
  const hovered = element('p', { class: 'quiet', 'aria-live': 'off' }, ' ');
  const picture = new MaskPicture((what) => {
    hovered.textContent = what;
  });
  const figure = new Figure(picture.host, 'mask');
  let order: 'original' | 'shuffled' = 'shuffled';
  let shown: { block: number; linear: LinearData } | undefined;
  const draw = (keep: boolean) => {
    if (shown === undefined) return;
    const cells = maskCells(run, shown.linear, order);
    picture.host.style.height = `${Math.min(420, Math.max(160, 10 * (cells?.rows.length ?? 0)))}px`;
    figure.element.hidden = cells === undefined;
    picture.show(cells, keep);
    if (cells !== undefined) tell(figure, run, shown.block, shown.linear, cells.rows.length, order);
  };
  const button = (label: string, act: () => void) =>
    element('button', { type: 'button', onclick: act }, label);
  figure.controls.append(
    choice(
      'Channels in',
      [
        ['shuffled', 'shuffled order'],
        ['original', 'original order'],
      ],
      (value) => {
        order = value === 'original' ? 'original' : 'shuffled';
        draw(true);
      },
    ),
    button('Zoom in', () => {
      picture.zoom(2);
    }),
    button('Zoom out', () => {
      picture.zoom(0.5);
    }),
    button('Whole', () => {
      picture.reset();
    }),
  );
  picture.host.after(hovered);
  return {
    element: figure.element,
    draw(block, linear) {
      shown = linear && { block, linear };
      figure.element.hidden = linear === undefined;
      draw(false);
    },
  };
}

function tell(
  figure: Figure,
  run: ShownRun,
  block: number,
  linear: LinearData,
  rows: number,
  order: 'original' | 'shuffled',
): void {
  const { name, cols, pattern, keptShare, permutation } = linear;
  const all =
    rows === linear.rows ? `all ${rows} rows` : `${rows} of its ${linear.rows} rows, spread over it`;
  const [keep, group] = [pattern?.keep ?? 0, pattern?.group ?? 1];
  const share = keptShare && run.read(keptShare);
  const [least, most] = rangeOf(share ?? []);
  const shuffled = permutation ? run.read(permutation) : new Float64Array(0);
  figure.show({
    title:
      order === 'shuffled'
        ? `In the shuffled order, ${name} of block ${block} keeps exactly ${keep} of every ${group} neighbours`
        : `In the original order, ${name} of block ${block} keeps a channel in ${percent(least / 255)} to ${percent(most / 255)} of its rows`,
    note:
      `A row is an output, a column a channel; coloured is kept. ${capital(all)}. Drag to move; buttons, the keys + − 0 and arrows, ` +
      'or the wheel with Ctrl zoom. Close up, lines part the groups.',
    alt: `Mask of ${name} in block ${block}: ${all}, ${cols} channels in the ${order} order.`,
    table: {
      columns: ['position', 'channel', 'group', 'share of rows that keep it'],
      rows: Array.from(shuffled, (shuffledChannel, position) => {
        const channel = order === 'shuffled' ? shuffledChannel : position;
        return [position, channel, Math.floor(position / group), share && share[channel]! / 255];
      }),
    },
  });
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
