import type { LiveGraph, LiveOperator } from '../../src/live/events.ts';
import type { LiveState } from '../../src/live/state.ts';
import { element } from '../dom.ts';
import { Figure } from '../figure.ts';
import { layersOf } from './layers.ts';
import { svg } from './svg.ts';
import type { LivePart } from './view.ts';
import { count, operatorInWords, purposeOf, shareInWords } from './words.ts';

/** Sizes in the units of the drawing, which is as wide as the page lets it be. */
const WIDTH = 560;
const NODE_HEIGHT = 66;
const GAP = 12;
const RISE = 26;
const MAX_NODE = 210;
/** Where edges that go around nodes run: right of those that stand alone. */
const LANE = 420;

/** The dataflow of a block, and what each operator does: it works, is held up by the next one, or waits for input. */
export function flowFigure(): LivePart {
  const host = element('div', { class: 'flow' });
  const figure = new Figure(host, 'operators');
  const legend = element(
    'ul',
    { class: 'legend' },
    ...[
      ['busy', 'works'],
      ['backpressured', 'held up by the next one'],
      ['idle', 'waits for input'],
    ].map(([name, words]) => element('li', {}, element('i', { class: name! }), words!)),
  );
  figure.controls.append(legend);
  return {
    element: figure.element,
    draw(state) {
      figure.element.hidden = state.graph === undefined;
      if (state.graph === undefined) return;
      const operators = state.state === 'running' ? state.operators : overall(state);
      const graph = withStatistics(state.graph, operators);
      const busiest = busiestOf(operators);
      legend.hidden = operators.length === 0;
      host.replaceChildren(drawing(graph, operators, busiest?.operator));
      figure.show({
        title: titleOf(state, graph, busiest),
        note: `What happens to a block, from above.${operators.length === 0 ? '' : ' Bars: how each operator spends its time, in the last second while the run goes on. The framed one works most: it bounds the speed.'} A name says what it is for when it is pointed at, as the numbers do.`,
        alt: `The dataflow of ${graph.nodes.length} operators. ${operators.map(inWords).join('; ')}`,
        table: {
          columns: [
            'operator',
            'busy',
            'held up',
            'idle',
            'done',
            'unit',
            'a second',
            'waiting',
            'busy seconds in all',
            'what it is for',
          ],
          rows: operators.map(({ operator, busy, backpressured, idle, done, unit, rate, queue }) => [
            operator,
            busy,
            backpressured,
            idle,
            done,
            unit,
            rate,
            queue,
            state.operatorSeconds[operator]?.busy,
            purposeOf(operator),
          ]),
        },
      });
    },
  };
}

/** Shares of the whole run, once it is over. */
function overall({ operators, operatorSeconds }: LiveState): LiveOperator[] {
  return operators.map((one) => {
    const { busy, backpressured, idle } = operatorSeconds[one.operator] ?? one;
    const total = Math.max(1e-9, busy + backpressured + idle);
    return {
      ...one,
      ...{ busy: busy / total, backpressured: backpressured / total, idle: idle / total, rate: 0, queue: 0 },
    };
  });
}

/** What is known of a stored run does not say which statistics it gathered; what operators report does. */
function withStatistics(graph: LiveGraph, operators: readonly LiveOperator[]): LiveGraph {
  const known = new Set(graph.nodes.map(({ id }) => id));
  const missing = operators
    .map(({ operator }) => operator)
    .filter((id) => id.startsWith('statistic:') && !known.has(id));
  const reader = graph.nodes.find(({ id }) => id.startsWith('metric:'))?.id;
  if (missing.length === 0 || reader === undefined) return graph;
  // Outputs are compared when a linear is packed.
  const readerOf = (id: string) => (id === 'statistic:row-sample' ? 'pack' : reader);
  return {
    nodes: [...graph.nodes, ...missing.map((id) => ({ id, kind: 'statistic', label: operatorInWords(id) }))],
    edges: [
      ...graph.edges.filter(({ from, to }) => from !== 'tap' || to !== reader),
      ...missing.flatMap((id) => [
        { from: 'tap', to: id },
        { from: id, to: readerOf(id) },
      ]),
    ],
  };
}

function titleOf({ state }: LiveState, { nodes }: LiveGraph, busiest: LiveOperator | undefined): string {
  if (busiest === undefined) return 'The dataflow of a block';
  const name = capital(operatorInWords(busiest.operator, nodes));
  const share = shareInWords(busiest.busy);
  return state === 'running'
    ? `${name} works most: ${share} of the last second`
    : `${name} worked most: ${share} of the run`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function inWords({ operator, busy, backpressured }: LiveOperator): string {
  return `${operator} ${shareInWords(busy)} busy${backpressured > 0 ? `, ${shareInWords(backpressured)} held up` : ''}`;
}

function busiestOf(operators: readonly LiveOperator[]): LiveOperator | undefined {
  const most = operators.reduce<LiveOperator | undefined>(
    (best, one) => (best === undefined || one.busy > best.busy ? one : best),
    undefined,
  );
  return most !== undefined && most.busy > 0 ? most : undefined;
}

interface Placed {
  readonly x: number;
  readonly y: number;
  readonly row: number;
  readonly width: number;
}

function drawing(
  graph: LiveGraph,
  operators: readonly LiveOperator[],
  busiest: string | undefined,
): SVGElement {
  const figures = new Map(operators.map((one) => [one.operator, one]));
  const layers = layersOf(graph);
  const places = new Map<string, Placed>();
  layers.forEach((layer, row) => {
    const width = Math.min(MAX_NODE, (WIDTH - GAP * (layer.length - 1)) / layer.length);
    const left = (WIDTH - layer.length * width - GAP * (layer.length - 1)) / 2;
    layer.forEach((id, i) => {
      places.set(id, { x: left + i * (width + GAP), y: row * (NODE_HEIGHT + RISE) + 1, row, width });
    });
  });
  const height = layers.length * (NODE_HEIGHT + RISE) - RISE + 2;
  let lanes = 0;
  const edges = graph.edges.flatMap(({ from, to }) => {
    const [a, b] = [places.get(from), places.get(to)];
    if (a === undefined || b === undefined) return [];
    // What skips rows goes around those between.
    return [edge(a, b, b.row - a.row > 1 ? LANE + 12 * lanes++ : undefined)];
  });
  const nodes = graph.nodes.flatMap(({ id, label }) => {
    const place = places.get(id);
    return place === undefined ? [] : [node(place, { id, label }, figures.get(id), id === busiest)];
  });
  return svg(
    'svg',
    { viewBox: `0 0 ${WIDTH} ${height}`, 'aria-hidden': 'true' },
    svg(
      'defs',
      {},
      svg(
        'marker',
        { id: 'head', viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: 'auto' },
        svg('path', { d: 'M0 0 8 4 0 8z', class: 'head' }),
      ),
    ),
    ...edges,
    ...nodes,
  );
}

function edge(from: Placed, to: Placed, lane: number | undefined): SVGElement {
  const [x1, y1] = [from.x + from.width / 2, from.y + NODE_HEIGHT];
  const [x2, y2] = [to.x + to.width / 2, to.y - 1];
  const middle = (y1 + y2) / 2;
  return svg('path', {
    class: 'edge',
    d:
      lane === undefined
        ? `M${x1} ${y1}C${x1} ${middle} ${x2} ${middle} ${x2} ${y2}`
        : `M${x1} ${y1}C${x1} ${y1 + RISE} ${lane} ${y1} ${lane} ${y1 + 2 * RISE}V${y2 - 2 * RISE}C${lane} ${y2 - RISE / 2} ${x2} ${y2 - RISE} ${x2} ${y2}`,
    'marker-end': 'url(#head)',
  });
}

function node(
  { x, y, width }: Placed,
  { id, label }: Pick<LiveGraph['nodes'][number], 'id' | 'label'>,
  figures: LiveOperator | undefined,
  isBusiest: boolean,
): SVGElement {
  const inner = width - 16;
  const text = (at: number, words: string, quiet = false) =>
    svg('text', { x: 8, y: at, class: quiet ? 'quiet' : '' }, fitted(words, inner, quiet ? 5.3 : 6.8));
  const [busy, held] = [(figures?.busy ?? 0) * inner, (figures?.backpressured ?? 0) * inner];
  const bar = (from: number, size: number, kind: string) =>
    size < 0.3 ? [] : [svg('rect', { x: 8 + from, y: 26, width: size, height: 8, class: kind })];
  return svg(
    'g',
    { transform: `translate(${x} ${y})` },
    titled(label, purposeOf(id)),
    svg('rect', { width, height: NODE_HEIGHT, rx: 7, class: isBusiest ? 'node slowest' : 'node' }),
    text(18, label),
    ...(figures === undefined
      ? []
      : [
          ...bar(0, busy, 'busy'),
          ...bar(busy, held, 'backpressured'),
          ...bar(busy + held, inner - busy - held, 'idle'),
          text(47, sharesInWords(figures), true),
          text(60, workInWords(figures), true),
        ]),
  );
}

/** What a browser shows where the pointer rests. */
function titled(label: string, purpose: string): SVGElement {
  const title = svg('title', {});
  title.textContent = purpose === '' ? label : `${label}: ${purpose}`;
  return title;
}

function sharesInWords({ busy, backpressured }: LiveOperator): string {
  const words = [
    ...(busy >= 0.005 ? [`${shareInWords(busy)} busy`] : []),
    ...(backpressured >= 0.005 ? [`${shareInWords(backpressured)} held up`] : []),
  ];
  return words.join(', ') || 'waits for input';
}

function workInWords({ rate, unit, done, queue }: LiveOperator): string {
  const what = rate > 0 ? `${count(rate)} ${unit}/s` : `${count(done)} ${unit} so far`;
  return queue > 0 ? `${what}, ${queue} wait` : what;
}

/** Words cut to a width, by what a letter takes on average. */
function fitted(words: string, width: number, letter: number): string {
  const room = Math.floor(width / letter);
  return words.length <= room ? words : `${words.slice(0, Math.max(1, room - 1))}…`;
}
