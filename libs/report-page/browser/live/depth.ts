import type { BlockData, LinearData } from '../../src/data.ts';
import type { LiveLinear } from '../../src/live/events.ts';
import { element } from '../dom.ts';
import { depthView } from '../sections/depth.ts';
import { section } from '../sections/section.ts';
import type { LivePart } from './view.ts';

/** The depth chart of the report, as far as the run is. */
export function liveDepth(): LivePart {
  const depth = depthView();
  const part = section(
    'The report so far',
    'Each cell is a linear: blocks from left to right, linears from top to bottom. It grows linear by linear; channels, groups and masks are in the report of what is committed.',
    ...depth.elements,
  );
  let shown = 0;
  return {
    element: element('div', { hidden: true }, part),
    draw({ blocks }) {
      const count = blocks.reduce((sum, { linears }) => sum + linears.length, 0);
      part.parentElement!.hidden = count === 0;
      if (count === shown || count === 0) return;
      shown = count;
      const data = blocks.map(({ block, linears }): BlockData => ({
        ...{ block, state: 'committed', taps: [] },
        linears: linears.map(linearOf),
      }));
      depth.draw({
        data: { blocks: data },
        linearNames: [...new Set(data.flatMap(({ linears }) => linears.map(({ name }) => name)))],
      });
    },
  };
}

/** What the report would read of it, as far as an event says it. */
function linearOf({
  linear,
  keptScoreGain,
  bytes,
  denseBytes,
  rows,
  cols,
  scoreLost,
  outputError,
}: LiveLinear): LinearData {
  const after = 1 + keptScoreGain;
  return {
    ...{ name: linear, tap: '', bytes, permutationBytes: 0 },
    // Without its shape, the product of both is what counts.
    ...{ rows: rows ?? 1, cols: cols ?? denseBytes / 2 },
    pattern: { keep: 1, group: 1 },
    keptScore: { before: 1, after },
    ...(scoreLost !== undefined && scoreLost < 1 && { totalScore: after / (1 - scoreLost) }),
    ...(outputError !== undefined && { outputError }),
  };
}
