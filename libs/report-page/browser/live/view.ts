import type { LiveState } from '../../src/live/state.ts';
import { element } from '../dom.ts';
import { commitsFigure } from './commits.ts';
import { flowFigure } from './flow.ts';
import { liveHead, type Connection } from './head.ts';
import { liveDepth } from './depth.ts';
import { logView } from './log.ts';
import { timelineFigure } from './timeline.ts';
import { workersFigure } from './workers.ts';

/** A part of the live page: what it shows of a state. */
export interface LivePart {
  readonly element: HTMLElement;
  draw(state: LiveState): void;
}

/** The live page. */
export interface LiveView {
  readonly elements: readonly HTMLElement[];
  draw(state: LiveState): void;
  connection(state: Connection): void;
}

export function liveView(): LiveView {
  const head = liveHead();
  const [flow, timeline, workers, commits] = [
    flowFigure(),
    timelineFigure(),
    workersFigure(),
    commitsFigure(),
  ];
  const [log, depth] = [logView(), liveDepth()];
  const parts: readonly LivePart[] = [head, flow, timeline, workers, commits, log, depth];
  return {
    elements: [
      head.element,
      element('h2', { class: 'hidden' }, 'What goes on'),
      element(
        'div',
        { class: 'columns' },
        element('div', {}, flow.element),
        element('div', {}, timeline.element, workers.element, commits.element, log.element),
      ),
      depth.element,
    ],
    draw(state) {
      for (const part of parts) part.draw(state);
    },
    connection: head.connection,
  };
}
