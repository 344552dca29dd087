import type { LivePhase } from '../../src/live/events.ts';
import type { LiveBlock, LiveState } from '../../src/live/state.ts';
import { ChartFigure } from '../figure.ts';
import { axis, type CustomSeriesOption, type Drawing } from '../plot.ts';
import type { LivePart } from './view.ts';
import { secondsInWords } from '../../src/units.ts';
import { clock, milliseconds } from './words.ts';

/** The phases of a block, each with its colour; writing goes on beside the others, and is drawn lower. */
/** Of a store, only whole blocks are known. */
const WHOLE = 'block';

const PHASES: readonly { readonly phase: string; readonly words: string; readonly colour: number }[] = [
  { phase: WHOLE, words: 'block, as a whole', colour: 0 },
  { phase: 'calibrate', words: 'calibrate', colour: 0 },
  { phase: 'prune', words: 'prune', colour: 1 },
  { phase: 'tune', words: 'tune', colour: 4 },
  { phase: 'commit', words: 'write and commit', colour: 3 },
  { phase: 'advance', words: 'advance', colour: 2 },
];

/** A piece of a block's row, in seconds since the run began. */
interface Piece {
  readonly row: number;
  readonly from: number;
  readonly to: number;
  readonly words: string;
}

/** When each block was in which phase, and what is left. */
export function timelineFigure(): LivePart {
  const figure = new ChartFigure('timeline');
  return {
    element: figure.element,
    draw(state) {
      const begin = beginOf(state);
      figure.element.hidden = begin === undefined;
      if (begin === undefined) return;
      const phases = new Map(
        PHASES.map(({ phase }) => [
          phase,
          state.blocks.flatMap((block) => pieceOf(state, block, phase, begin)),
        ]),
      );
      const expected = expectedOf(state, begin);
      const rows = state.blocks.length;
      figure.draw(
        {
          title: titleOf(state),
          note: 'A row is a block, time runs to the right. The low bars are writing, which goes on beside the rest. Pale: what is expected.',
          alt: `Timeline of ${rows} blocks in their phases. ${titleOf(state)}.`,
          table: {
            columns: ['block', 'phase', 'begun', 'ended', 'seconds'],
            rows: state.blocks.flatMap(({ block, phases: known }) =>
              known.map(({ phase, begun, ended, seconds }) => [
                block,
                phase,
                clock(begun),
                clock(ended),
                seconds,
              ]),
            ),
          },
        },
        bars(state, phases, expected),
        Math.min(900, 90 + rows * (rows <= 12 ? 26 : rows <= 40 ? 16 : 9)),
      );
    },
  };
}

function titleOf({ blocks, estimate, state }: LiveState): string {
  const committed = blocks.filter((block) => block.committed !== undefined).length;
  const what = `${committed} of ${blocks.length} blocks are committed`;
  if (state === 'finished') return `All ${blocks.length} blocks are committed`;
  if (state === 'stopped') return `${what}: the run has stopped`;
  return estimate.left === undefined ? what : `${what}, ${secondsInWords(estimate.left / 1000)} left`;
}

function beginOf({ started, blocks }: LiveState): number | undefined {
  const times = blocks.flatMap(({ phases, committed }) => [
    ...phases.map(({ begun }) => milliseconds(begun)),
    ...(committed === undefined ? [] : [milliseconds(committed.time) - 1000 * committed.seconds]),
  ]);
  if (started !== undefined) times.push(milliseconds(started.time));
  return times.length === 0 ? undefined : Math.min(...times);
}

/** A phase of a block that is over, or goes on. */
function pieceOf({ progress, time }: LiveState, block: LiveBlock, phase: string, begin: number): Piece[] {
  const row = block.block - 1;
  const seconds = (at: string) => (milliseconds(at) - begin) / 1000;
  const piece = ({ begun, ended, seconds: took }: LivePhase, goesOn = false): Piece => ({
    row,
    from: seconds(begun),
    to: seconds(ended),
    words: `block ${block.block}, ${phase}${goesOn ? ' so far' : ''}: ${secondsInWords(took)}`,
  });
  const { committed } = block;
  if (phase === WHOLE) {
    if (committed === undefined || committed.seconds === 0 || block.phases.length > 0) return [];
    const begun = new Date(milliseconds(committed.time) - 1000 * committed.seconds).toISOString();
    return [piece({ phase, begun, ended: committed.time, seconds: committed.seconds })];
  }
  const over = block.phases.filter((one) => one.phase === phase).map((one) => piece(one));
  if (progress?.block !== block.block || progress.phase !== phase || time === undefined) return over;
  const took = Math.max(0, seconds(time) - seconds(progress.begun));
  return [...over, piece({ phase, begun: progress.begun, ended: time, seconds: took }, true)];
}

/** The blocks that are left, each as long as the others. */
function expectedOf({ blocks, estimate, time, state }: LiveState, begin: number): Piece[] {
  if (state !== 'running' || estimate.left === undefined || time === undefined) return [];
  const open = blocks.filter((block) => block.committed === undefined);
  const each = estimate.left / 1000 / Math.max(1, open.length);
  const now = (milliseconds(time) - begin) / 1000;
  return open.map((block, i) => ({
    row: block.block - 1,
    from: now + i * each,
    to: now + (i + 1) * each,
    words: `block ${block.block}, expected: ${secondsInWords(each)}`,
  }));
}

function bars(
  { blocks }: LiveState,
  phases: ReadonlyMap<string, readonly Piece[]>,
  expected: readonly Piece[],
): Drawing {
  const series = (name: string, pieces: readonly Piece[], colour: string, low: boolean, opacity = 1) => ({
    name,
    type: 'custom' as const,
    itemStyle: { color: colour, opacity },
    data: pieces.map(({ from, to, row, words }) => ({ value: [from, to, row], name: words })),
    encode: { x: [0, 1], y: 2 },
    renderItem: ((_params, api) => {
      const [from, to, row] = [0, 1, 2].map((i) => Number(api.value(i))) as [number, number, number];
      const [left, middle] = api.coord([from, row]) as [number, number];
      const [right] = api.coord([to, row]) as [number, number];
      const band = Math.abs((api.size!([0, 1]) as number[])[1]!) * 0.78;
      const height = low ? band * 0.45 : band;
      return {
        type: 'rect',
        shape: { x: left, y: middle + band / 2 - height, width: Math.max(1, right - left), height },
        style: { fill: colour, opacity },
      };
    }) satisfies CustomSeriesOption['renderItem'],
  });
  return (theme) => ({
    grid: { left: 30, right: 24, top: 44, bottom: 42, containLabel: true },
    legend: { top: 0, itemWidth: 14, itemHeight: 12, textStyle: { color: theme.text } },
    tooltip: { formatter: (at: unknown) => (at as { name: string }).name },
    xAxis: {
      type: 'value',
      min: 0,
      ...axis(theme, 'since the run began', {}),
      axisLabel: {
        color: theme.text,
        hideOverlap: true,
        formatter: (value: number) => secondsInWords(value),
      },
    },
    yAxis: {
      type: 'category',
      inverse: true,
      data: blocks.map(({ block }) => String(block)),
      ...axis(theme, 'block', { nameGap: 34, splitLine: { show: false }, axisTick: { show: false } }),
    },
    series: [
      ...PHASES.flatMap(({ phase, words, colour }) => {
        const pieces = phases.get(phase) ?? [];
        return pieces.length === 0 ? [] : [series(words, pieces, theme.series[colour]!, phase === 'commit')];
      }),
      ...(expected.length === 0 ? [] : [series('expected', expected, theme.quiet, false, 0.25)]),
    ],
  });
}
