import { element } from './dom.ts';
import { readRun } from './run.ts';
import { channelsSection } from './sections/channels.ts';
import { depthSection } from './sections/depth.ts';
import { frontierSection } from './sections/frontier.ts';
import { groupsSection } from './sections/groups.ts';
import { head } from './sections/head.ts';
import { followTheme } from './theme.ts';

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
  for (const { draw } of sections) draw();
  document.documentElement.dataset.ready = 'true';
}

const page = document.getElementById('page');
if (page !== null) {
  show(page).catch((error: unknown) => {
    page.append(element('p', { role: 'alert' }, `The report cannot be shown: ${String(error)}`));
    throw error;
  });
}
