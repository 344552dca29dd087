import type { LiveState } from '../../src/live/state.ts';
import { element } from '../dom.ts';
import { themeButton } from '../theme-button.ts';
import type { LivePart } from './view.ts';
import { secondsInWords } from '../../src/units.ts';
import { count, milliseconds, operatorInWords, shareInWords } from './words.ts';

/** Whether news still come. */
export type Connection = 'connecting' | 'connected' | 'lost' | 'refused' | 'ended';

const CONNECTIONS: Readonly<Record<Connection, string>> = {
  connecting: 'connecting …',
  connected: 'live',
  lost: 'connection lost, trying again …',
  refused: 'the server refuses this page: reload it',
  ended: 'the run’s process has ended: this is its last state',
};

/** What runs, how far it is, what it does now, and how long it still takes. */
export function liveHead(): LivePart & { connection(state: Connection): void } {
  const title = element('h1', {}, 'A run');
  const connection = element(
    'p',
    { class: 'state', role: 'status', 'data-state': 'connecting' },
    CONNECTIONS.connecting,
  );
  const what = element('p', { class: 'lead' });
  const source = element('p', { class: 'quiet' });
  const bar = element('progress', { max: 1, value: 0, 'aria-label': 'Share of the run that is done' });
  const now = element('dl', { class: 'now' });
  const report = element('p', { hidden: true }, element('a', { href: 'report' }, ''));
  return {
    element: element(
      'header',
      {},
      element('div', { class: 'bar' }, connection, themeButton()),
      title,
      what,
      bar,
      now,
      report,
      source,
    ),
    connection(state) {
      connection.dataset.state = state;
      connection.textContent = CONNECTIONS[state];
    },
    draw(state) {
      const { started, estimate } = state;
      title.textContent = started === undefined ? 'A run that is about to begin' : nameOf(started.model);
      document.title = `${shareInWords(estimate.done)} ${title.textContent}: esparse`;
      what.textContent =
        started === undefined
          ? 'The model and its workers are being opened.'
          : `${started.pipeline} to ${started.pattern}, ${started.blocks} blocks, calibrated on ${started.samples} x ${started.seqlen} tokens, run ${started.run}.`;
      bar.value = estimate.done;
      now.replaceChildren(
        ...factsOf(state).map(([name, value]) =>
          element('div', {}, element('dt', {}, name), element('dd', {}, value)),
        ),
      );
      const committed = state.blocks.filter((block) => block.committed !== undefined).length;
      report.hidden = committed === 0;
      report.firstElementChild!.textContent = `The report of the ${committed} ${committed === 1 ? 'block that is' : 'blocks that are'} committed`;
      source.textContent = sourceInWords(state);
    },
  };
}

function nameOf(model: string): string {
  return model.replace(/\/+$/, '').split('/').at(-1) ?? model;
}

function factsOf(state: LiveState): [name: string, value: string][] {
  const { progress, estimate, blocks, started, time } = state;
  const committed = blocks.filter((block) => block.committed !== undefined).length;
  const facts: [string, string][] = [
    ['State', STATES[state.state]],
    ['Committed', `${committed} of ${blocks.length} blocks`],
  ];
  if (progress !== undefined) {
    const { block, phase, done, total, unit, begun, doneThen } = progress;
    const passed = (milliseconds(time ?? begun) - milliseconds(begun)) / 1000;
    const rate = passed > 0.2 ? (done - doneThen) / passed : 0;
    facts.push(['Block', `${block} of ${blocks.length}: ${phase}`]);
    facts.push([
      'Done of this phase',
      `${count(done)} of ${count(total)} ${unit}${rate > 0 ? `, ${count(rate)}/s` : ''}`,
    ]);
  }
  if (started !== undefined && time !== undefined)
    facts.push([
      state.state === 'running' ? 'Running for' : 'Took',
      secondsInWords((milliseconds(time) - milliseconds(started.time)) / 1000),
    ]);
  if (state.state === 'running')
    facts.push([
      'Time left',
      estimate.left === undefined ? 'known after a block' : secondsInWords(estimate.left / 1000),
    ]);
  const slowest = slowestOf(state);
  if (slowest !== undefined) facts.push(['Has worked most', slowest]);
  return facts;
}

const STATES: Readonly<Record<LiveState['state'], string>> = {
  opening: 'opening',
  running: 'running',
  finished: 'finished',
  stopped: 'stopped',
};

/** The operator that has worked most since the run began. */
function slowestOf({ operatorSeconds, graph }: LiveState): string | undefined {
  const all = Object.entries(operatorSeconds);
  if (all.length === 0) return undefined;
  const [operator, { busy, backpressured, idle }] = all.reduce((most, one) =>
    one[1].busy > most[1].busy ? one : most,
  );
  const total = busy + backpressured + idle;
  const name = operatorInWords(operator, graph?.nodes);
  return total > 0 ? `${name}, busy ${shareInWords(busy / total)} of the time` : undefined;
}

function sourceInWords({ source }: LiveState): string {
  if (source === undefined) return '';
  return source.detail === 'events'
    ? `Store: ${source.source}. Told by the process of the run.`
    : `Store: ${source.source}. It has blocks once they are committed; operators, workers and times within a block are told by the process of the run alone: give what it prints by --events.`;
}
