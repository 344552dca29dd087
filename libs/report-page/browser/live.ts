import type { LiveEvent } from '../src/live/events.ts';
import { after, NO_STATE, type LiveState } from '../src/live/state.ts';
import { element } from './dom.ts';
import { followTheme } from './theme.ts';
import { liveView } from './live/view.ts';

/** What is shown changes at most so often: a person reads no faster, and a phone has other things to do. */
const REDRAW_MS = 500;

/** Follows the events of the server: first all that is known, then what happens, in pieces. */
function follow(page: HTMLElement): void {
  followTheme();
  const view = liveView();
  page.append(...view.elements);
  let state: LiveState = NO_STATE;
  let drawn = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const draw = () => {
    timer = undefined;
    drawn = performance.now();
    view.draw(state);
    document.documentElement.dataset.ready = 'true';
  };
  const changed = () => {
    timer ??= setTimeout(draw, Math.max(0, drawn + REDRAW_MS - performance.now()));
  };
  const events = new EventSource('events');
  const on = (name: string, take: (data: string) => void) => {
    events.addEventListener(name, (message) => {
      take((message as MessageEvent<string>).data);
    });
  };
  on('state', (data) => {
    state = JSON.parse(data) as LiveState;
    view.connection('connected');
    changed();
  });
  on('news', (data) => {
    state = (JSON.parse(data) as LiveEvent[]).reduce(after, state);
    changed();
  });
  // The process ends with its run: there is nothing to come back to, and what is said to be the last state is shown already.
  on('end', () => {
    events.close();
    clearTimeout(timer);
    draw();
    view.connection('ended');
  });
  events.addEventListener('error', () => {
    view.connection(events.readyState === EventSource.CLOSED ? 'refused' : 'lost');
  });
}

const page = document.getElementById('page');
if (page === null) document.body.append(element('p', { role: 'alert' }, 'The page is damaged.'));
else follow(page);
