import type {
  LiveDetail,
  LiveEvent,
  LiveGraph,
  LiveLinear,
  LiveOperator,
  LivePhase,
  LiveWorker,
} from './events.ts';

/**
 * All that the live page shows of a run. The server keeps one and sends it to every viewer that comes; from then on the page
 * and the server apply the same events to theirs. So a reload loses nothing, and what is kept is bounded.
 */
export interface LiveState {
  readonly started: Extract<LiveEvent, { readonly event: 'started' }> | undefined;
  readonly graph: LiveGraph | undefined;
  readonly source: { readonly source: string; readonly detail: LiveDetail } | undefined;
  readonly state: 'opening' | 'running' | 'finished' | 'stopped';
  /** Time of the last event. */
  readonly time: string | undefined;
  /** By the block's number less one. */
  readonly blocks: readonly LiveBlock[];
  /** Phases that belong to no block, such as opening the model. */
  readonly outside: readonly LivePhase[];
  readonly progress: LiveProgress | undefined;
  readonly estimate: { readonly done: number; readonly left: number | undefined };
  readonly operators: readonly LiveOperator[];
  /** Seconds in each state since the run began, by the operator. */
  readonly operatorSeconds: Readonly<
    Record<string, { readonly busy: number; readonly backpressured: number; readonly idle: number }>
  >;
  readonly workers: readonly LiveWorker[];
  /** The newest lines. */
  readonly log: readonly LiveLine[];
  readonly seconds: Readonly<Record<string, number>> | undefined;
}

export interface LiveBlock {
  /** Counts from 1. */
  readonly block: number;
  readonly committed?: {
    readonly time: string;
    readonly seconds: number;
    readonly bytes: number | undefined;
  };
  readonly phases: readonly LivePhase[];
  readonly linears: readonly LiveLinear[];
}

export interface LiveProgress {
  readonly block: number;
  readonly phase: string;
  readonly done: number;
  readonly total: number;
  readonly unit: string;
  /** When the phase was seen first, and how much was done then. */
  readonly begun: string;
  readonly doneThen: number;
}

export interface LiveLine {
  readonly time: string;
  readonly kind: 'note' | 'retry' | 'block' | 'end';
  readonly text: string;
}

/** Bounds of what is kept: lines, blocks, and linears in all; a mixture of 100 experts in 60 blocks has more, and keeps the first. */
export const MAX_LINES = 500;
const MAX_BLOCKS = 2_000;
const MAX_LINEARS = 20_000;
/** Characters of a line. */
const MAX_TEXT = 1_000;
const MAX_OUTSIDE = 200;

export const NO_STATE: LiveState = {
  started: undefined,
  graph: undefined,
  source: undefined,
  state: 'opening',
  time: undefined,
  blocks: [],
  outside: [],
  progress: undefined,
  estimate: { done: 0, left: undefined },
  operators: [],
  operatorSeconds: {},
  workers: [],
  log: [],
  seconds: undefined,
};

/** The state after an event. What an event names beyond the bounds is left out. */
export function after(state: LiveState, event: LiveEvent): LiveState {
  return { ...changed(state, event), time: event.time };
}

function changed(state: LiveState, event: LiveEvent): LiveState {
  switch (event.event) {
    case 'started':
      // A second attempt goes on where the first has stopped: what it did stays.
      return {
        ...(state.started?.run === event.run
          ? state
          : { ...NO_STATE, graph: state.graph, source: state.source }),
        started: event,
        state: 'running',
        log: withLine(
          state,
          event.time,
          'note',
          `run ${event.run} of ${event.model} ${state.started?.run === event.run ? 'goes on' : 'begins'}`,
        ),
        blocks: blocksOf(state, event),
      };
    case 'progress':
      return {
        ...withSeenPhase(state, event),
        state: 'running',
        progress: progressOf(state.progress, event),
      };
    case 'linear': {
      const {
        block,
        linear: name,
        keptScoreGain,
        bytes,
        denseBytes,
        rows,
        cols,
        scoreLost,
        outputError,
      } = event;
      const linear = { linear: name, keptScoreGain, bytes, denseBytes, rows, cols, scoreLost, outputError };
      if (state.blocks.reduce((sum, { linears }) => sum + linears.length, 0) >= MAX_LINEARS) return state;
      return withBlock(state, block, (one) => ({
        ...one,
        linears: [...one.linears.filter((other) => other.linear !== name), linear],
      }));
    }
    case 'phase': {
      const { block, phase: phaseName, begun, ended, seconds } = event;
      const phase = { phase: phaseName, begun, ended, seconds };
      if (block === undefined) return { ...state, outside: [...state.outside, phase].slice(-MAX_OUTSIDE) };
      return withBlock(state, block, (one) => ({
        ...one,
        phases: [...one.phases.filter((other) => other.phase !== phaseName), phase],
      }));
    }
    case 'committed': {
      const { block, time, seconds, bytes } = event;
      const next = withBlock(state, block, (one) => ({ ...one, committed: { time, seconds, bytes } }));
      return { ...next, log: withLine(state, time, 'block', `block ${block} is committed`) };
    }
    case 'operators':
      return { ...state, operators: event.operators, operatorSeconds: summed(state, event) };
    case 'workers':
      return { ...state, workers: event.workers };
    case 'retry':
      return { ...state, log: withLine(state, event.time, 'retry', event.message) };
    case 'experts':
      return {
        ...state,
        log: withLine(
          state,
          event.time,
          'note',
          `block ${event.block}: some experts saw fewer than ${event.threshold} tokens`,
        ),
      };
    case 'stage':
      return {
        ...state,
        log: withLine(state, event.time, 'note', `block ${event.block}: ${event.stage} is done`),
      };
    case 'note':
      return { ...state, log: withLine(state, event.time, 'note', event.message) };
    case 'finished':
      return {
        ...state,
        state: 'finished',
        progress: undefined,
        estimate: { done: 1, left: 0 },
        seconds: event.seconds,
        log: withLine(state, event.time, 'end', 'the run is finished'),
      };
    case 'ended':
      return {
        ...state,
        state: 'stopped',
        progress: undefined,
        estimate: { done: state.estimate.done, left: undefined },
        log: withLine(state, event.time, 'end', event.message),
      };
    case 'graph':
      return { ...state, graph: { nodes: event.nodes, edges: event.edges } };
    case 'estimate':
      return { ...state, estimate: { done: event.done, left: event.left } };
    case 'source':
      return { ...state, source: { source: event.source, detail: event.detail } };
  }
}

function blocksOf(
  state: LiveState,
  { run, blocks }: { readonly run: string; readonly blocks: number },
): readonly LiveBlock[] {
  if (state.started?.run === run) return state.blocks;
  return Array.from({ length: Math.min(MAX_BLOCKS, blocks) }, (_, k) => ({
    block: k + 1,
    phases: [],
    linears: [],
  }));
}

function withBlock(state: LiveState, block: number, change: (block: LiveBlock) => LiveBlock): LiveState {
  return { ...state, blocks: state.blocks.map((one) => (one.block === block ? change(one) : one)) };
}

function withLine(
  { log }: LiveState,
  time: string,
  kind: LiveLine['kind'],
  text: string,
): readonly LiveLine[] {
  return [...log, { time, kind, text: text.slice(0, MAX_TEXT) }].slice(-MAX_LINES);
}

/**
 * When another phase begins, the one before is over: so long it stands in its block, until the run itself says when it began and
 * ended.
 */
function withSeenPhase(
  state: LiveState,
  { time, block, phase }: Extract<LiveEvent, { readonly event: 'progress' }>,
): LiveState {
  const { progress } = state;
  if (progress === undefined || (progress.block === block && progress.phase === phase)) return state;
  const seconds = Math.max(0, (Date.parse(time) - Date.parse(progress.begun)) / 1000);
  return withBlock(state, progress.block, (one) =>
    one.phases.some((known) => known.phase === progress.phase)
      ? one
      : {
          ...one,
          phases: [...one.phases, { phase: progress.phase, begun: progress.begun, ended: time, seconds }],
        },
  );
}

function progressOf(
  before: LiveProgress | undefined,
  { time, block, phase, done, total, unit }: Extract<LiveEvent, { readonly event: 'progress' }>,
): LiveProgress {
  const same = before?.block === block && before.phase === phase && done >= before.doneThen;
  const from = same ? { begun: before.begun, doneThen: before.doneThen } : { begun: time, doneThen: done };
  return { block, phase, done, total, unit, ...from };
}

function summed(
  { operatorSeconds }: LiveState,
  { seconds, operators }: Extract<LiveEvent, { readonly event: 'operators' }>,
): LiveState['operatorSeconds'] {
  return Object.fromEntries(
    operators.map(({ operator, busy, backpressured, idle }) => {
      const before = operatorSeconds[operator] ?? { busy: 0, backpressured: 0, idle: 0 };
      return [
        operator,
        {
          busy: before.busy + seconds * busy,
          backpressured: before.backpressured + seconds * backpressured,
          idle: before.idle + seconds * idle,
        },
      ];
    }),
  );
}
