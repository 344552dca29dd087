import type { PruneEvent } from '@esparse/pruner';

type Phase = 'calibrate' | 'prune' | 'advance';

const TIME = '2026-11-28T12:00:00.000Z';

/** The first event of a run of so many blocks. */
export function started(blocks: number): PruneEvent {
  return {
    time: TIME,
    event: 'started',
    run: 'abc',
    model: 'm',
    family: 'llama',
    blocks,
    pipeline: 'e-sparse',
    pattern: '2:4',
    shuffle: 'both',
    samples: 8,
    seqlen: 64,
    shards: 1,
    workers: ['127.0.0.1:1'],
  };
}

/** A step within a block that counts from 1. */
export function progress(block: number, phase: Phase, done: number, total: number) {
  const unit = phase === 'prune' ? 'linears' : 'tokens';
  return { time: TIME, event: 'progress', block, phase, done, total, unit, workers: 1 } as const;
}

export function committed(block: number, blocks: number) {
  return { time: TIME, event: 'committed', block, blocks, seconds: 1.25, bytes: 900 } as const;
}

export function note(message: string): PruneEvent {
  return { time: TIME, event: 'note', message };
}

export function retry(message: string): PruneEvent {
  return { time: TIME, event: 'retry', task: 'calibrate', why: 'failed', worker: '127.0.0.1:1', message };
}

export function linear(block: number, name: string): PruneEvent {
  return {
    time: TIME,
    event: 'linear',
    block,
    linear: name,
    keptScoreGain: 0.02,
    bytes: 9,
    denseBytes: 16,
    rows: 2,
    cols: 4,
  };
}
