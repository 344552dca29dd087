import type { Writable } from 'node:stream';
import { SingleBar } from 'cli-progress';
import type { PruneEvent } from '@esparse/pruner';

/** Shows a run's events while it goes on. */
export interface Reporter {
  readonly emit: (event: PruneEvent) => void;
  /** Ends the progress bar, if there is one. */
  stop(): void;
}

export interface ReporterOptions {
  /** One JSON event a line, whatever the stream is. */
  readonly json: boolean;
  readonly stream: Writable & { readonly isTTY?: boolean };
}

/** JSON events, a progress bar on a terminal, or plain lines elsewhere. */
export function createReporter({ json, stream }: ReporterOptions): Reporter {
  if (json) {
    return { emit: (event) => stream.write(`${JSON.stringify(event)}\n`), stop: () => undefined };
  }
  return stream.isTTY === true ? barReporter(stream) : lineReporter(stream);
}

function lineReporter(stream: Writable): Reporter {
  return {
    emit(event) {
      const line = lineOf(event);
      if (line !== undefined) stream.write(`${line}\n`);
    },
    stop: () => undefined,
  };
}

function barReporter(
  stream: (Writable & NodeJS.WriteStream) | (Writable & { readonly isTTY?: boolean }),
): Reporter {
  const bar = new SingleBar({
    stream: stream,
    format: 'block {block}  {phase}  [{bar}]  {done}/{of} {unit}  {rate} {unit}/s  {eta_formatted} left',
    etaBuffer: 20,
    hideCursor: true,
    clearOnComplete: true,
    // Other output goes between the bar's redraws.
    forceRedraw: true,
  });
  const eachPhase = createPhaseClock();
  let blocks = 0;
  return {
    emit(event) {
      if (event.event === 'started') {
        blocks = event.blocks;
        stream.write(`${lineOf(event) ?? ''}\n`);
        bar.start(blocks, 0, { block: `0/${blocks}`, phase: 'open', done: 0, of: 0, unit: '', rate: 0 });
      } else if (event.event === 'progress') {
        const { block, phase, done, total, unit } = event;
        const rate = eachPhase(`${block}:${phase}`, done);
        bar.update(block + shareOfBlock(event), {
          block: `${block + 1}/${blocks}`,
          phase: phase.padEnd(9),
          done,
          of: total,
          unit,
          rate: Math.round(rate),
        });
      } else if (event.event === 'finished') {
        bar.update(blocks);
      }
    },
    stop() {
      bar.stop();
    },
  };
}

/** How far into its block a step is: half of a block's work is calibration, the rest pruning and advancing. */
function shareOfBlock({ phase, done, total }: Extract<PruneEvent, { event: 'progress' }>): number {
  const share = total === 0 ? 1 : done / total;
  if (phase === 'calibrate') return 0.5 * share;
  return phase === 'prune' ? 0.5 + 0.2 * share : 0.7 + 0.3 * share;
}

/** Units a second since a phase of a block began. */
function createPhaseClock(): (key: string, done: number) => number {
  let current = '';
  let started = 0;
  let from = 0;
  return (key, done) => {
    const now = performance.now();
    if (key !== current) {
      current = key;
      started = now;
      from = done;
    }
    return now === started ? 0 : ((done - from) * 1000) / (now - started);
  };
}

/** An event as a line of text; the steps within a phase have none. */
function lineOf(event: PruneEvent): string | undefined {
  switch (event.event) {
    case 'started':
      return (
        `run ${event.run}: ${event.family} ${event.model}, ${event.blocks} blocks, ${event.pipeline} ` +
        `${event.pattern}, shuffle ${event.shuffle}, ${event.samples} x ${event.seqlen} tokens`
      );
    case 'committed':
      return `block ${event.block + 1}/${event.blocks} committed after ${event.seconds.toFixed(1)} s`;
    case 'note':
    case 'retry':
      return event.message;
    case 'progress':
    case 'linear':
    case 'finished':
      return undefined;
  }
}
