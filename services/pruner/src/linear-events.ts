import type { PrunedLinear } from '@esparse/dataflow';
import { linearBytes, relativeGain } from '@esparse/model-store';
import type { StageContext } from '@esparse/sparsity';
import type { RunContext } from './run-context.ts';

/** The least time between two progress events of a stage: people see no more. */
const STAGE_PROGRESS_MS = 250;

/** Emits the events of a block whose linears are pruned one by one. */
export interface LinearEvents {
  /** For the block's stages: their notes, and their progress as a part of the linear that they work on. */
  readonly report: Omit<StageContext, 'signal' | 'device'>;
  /** For its block stages: notes, and their progress in steps of their own. */
  readonly blockReport: Omit<StageContext, 'signal' | 'device'>;
  /** A linear is done. */
  readonly pruned: (linear: PrunedLinear) => void;
}

export function linearEvents(
  { emit, layers }: Pick<RunContext, 'emit' | 'layers'>,
  block: number,
  now: () => number = () => performance.now(),
): LinearEvents {
  const total = layers.pruned(block).length;
  let linearsDone = 0;
  let lastProgress = -Infinity;
  const progress = (done: number) => {
    emit({ event: 'progress', block, phase: 'prune', done, total, unit: 'linears' });
  };
  const note = (message: string) => {
    emit({ event: 'note', message });
  };
  return {
    blockReport: {
      note,
      progress(done, of) {
        const time = now();
        // The last one is always shown.
        if ((time - lastProgress < STAGE_PROGRESS_MS && done < of) || !(of > 0)) return;
        lastProgress = time;
        emit({ event: 'progress', block, phase: 'tune', done, total: of, unit: 'steps' });
      },
    },
    report: {
      note,
      progress(done, of) {
        const time = now();
        if (time - lastProgress < STAGE_PROGRESS_MS || !(of > 0)) return;
        lastProgress = time;
        const share = Math.min(1, Math.max(0, done / of));
        progress(Math.round(100 * (linearsDone + share)) / 100);
      },
    },
    pruned({ job: { name, rows, cols }, packed, keptBefore, keptAfter, figures }) {
      emit({
        event: 'linear',
        block,
        linear: name,
        keptScoreGain: relativeGain(keptBefore, keptAfter),
        bytes: linearBytes(packed),
        denseBytes: rows * cols * 2,
        ...{ rows, cols },
        ...(figures?.scores &&
          figures.scores.total > 0 && { scoreLost: 1 - keptAfter / figures.scores.total }),
        ...(figures?.outputError !== undefined && { outputError: figures.outputError }),
      });
      progress(++linearsDone);
    },
  };
}
