import type { LiveLine } from '../../src/live/state.ts';
import { element, uniqueId } from '../dom.ts';
import type { LivePart } from './view.ts';
import { clock } from './words.ts';

/** What has happened, the newest line first, so that it is in view. */
export function logView(): LivePart {
  const id = uniqueId('log');
  const list = element('ol');
  const scroll = element(
    'div',
    { class: 'log', role: 'log', tabindex: 0, 'aria-label': 'What has happened, the newest first' },
    list,
  );
  let shown: readonly LiveLine[] = [];
  return {
    element: element(
      'section',
      { class: 'panel', 'aria-labelledby': id },
      element('h3', { id }, 'What has happened'),
      scroll,
    ),
    draw({ log }) {
      if (log === shown) return;
      // Lines that were there stay where they are: a reader may be reading them.
      const last = shown.at(-1);
      const from =
        last === undefined
          ? 0
          : log.findLastIndex((line) => line.time === last.time && line.text === last.text) + 1;
      if (from === 0) list.replaceChildren();
      for (const { time, kind, text } of log.slice(from))
        list.prepend(element('li', { class: kind }, element('time', { datetime: time }, clock(time)), text));
      while (list.childElementCount > log.length) list.lastElementChild!.remove();
      shown = log;
    },
  };
}
