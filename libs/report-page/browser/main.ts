import { element } from './dom.ts';
import { readRun } from './run.ts';
import { channelsSection } from './sections/channels.ts';
import { depthSection } from './sections/depth.ts';
import { frontierSection } from './sections/frontier.ts';
import { groupsSection } from './sections/groups.ts';
import { head } from './sections/head.ts';
import { followTheme } from './theme.ts';

/** A section is drawn after so many milliseconds, even where the browser has no time to spare. */
const DRAW_WITHIN_MS = 500;

/** Builds the page from the data that stand in it. */
async function show(page: HTMLElement): Promise<void> {
  const run = await readRun();
  followTheme();
  const frontier = frontierSection(run);
  const sections = [
    depthSection(run),
    channelsSection(run),
    groupsSection(run),
    ...(frontier === undefined ? [] : [frontier]),
  ];
  page.append(...head(run.data), ...sections.map((each) => each.element));
  // Charts take the size of what they are drawn into: that must be on the page.
  const [first, ...later] = sections;
  first?.draw();
  document.documentElement.dataset.ready = 'true';
  drawLater(later.map(({ draw }) => draw));
}

/**
 * Draws what is not in view yet, piece by piece while the reader looks at the first one; all at once where the page is about to
 * be printed.
 */
function drawLater(draws: (() => void)[]): void {
  const next = () => {
    draws.shift()?.();
    if (draws.length > 0) requestIdleCallback(next, { timeout: DRAW_WITHIN_MS });
    else document.documentElement.dataset.complete = 'true';
  };
  requestIdleCallback(next, { timeout: DRAW_WITHIN_MS });
  addEventListener('beforeprint', () => {
    for (const draw of draws.splice(0)) draw();
  });
}

const page = document.getElementById('page');
if (page !== null) {
  show(page).catch((error: unknown) => {
    page.append(element('p', { role: 'alert' }, `The report cannot be shown: ${String(error)}`));
    throw error;
  });
}
