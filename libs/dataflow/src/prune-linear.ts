import { identity, pipe, type OperatorFunction } from 'rxjs';
import type { ConfiguredPipeline, OwnEncoding, StageContext } from '@esparse/sparsity';
import { beginFigures, type FigureOptions } from './figures.ts';
import type { GuardOptions } from './guard.ts';
import type { LinearJob, PrunedLinear } from './linear.ts';
import { load, type LoadWeights } from './load.ts';
import { mask } from './mask.ts';
import { pack } from './pack.ts';
import { score } from './score.ts';
import { shuffle } from './shuffle.ts';
import { stages } from './stage.ts';
import { watched, type WatchStep } from './watched.ts';

/** How a linear is pruned. */
export interface PruneLinearOptions extends Pick<ConfiguredPipeline, 'metric' | 'shuffle' | 'stages'> {
  /** Reads its weights. */
  readonly load: LoadWeights;
  /** What stages report: notes, and how far they are. */
  readonly report: Omit<StageContext, 'signal'>;
  /** How calls of plug-ins are guarded. */
  readonly guard?: GuardOptions;
  /** An encoding that does not come with esparse, in which survivors are stored. @default none */
  readonly encoding?: OwnEncoding | undefined;
  /** Takes figures for a report. @default none */
  readonly figures?: FigureOptions | undefined;
  /** Tells when the steps work that are no plug-ins; those are watched by `guard`. @default nobody does */
  readonly watch?: { readonly mask: WatchStep; readonly pack: WatchStep } | undefined;
}

/** The steps of a linear, from its weights in the checkpoint to what is committed: load, score, shuffle, mask, stages, pack. */
export function pruneLinear(options: PruneLinearOptions): OperatorFunction<LinearJob, PrunedLinear> {
  const { guard, report, encoding, figures, watch } = options;
  return pipe(
    load(options.load),
    score(options.metric, guard),
    shuffle(options.shuffle, guard, report.device),
    watched(mask(), watch?.mask),
    figures === undefined ? identity : beginFigures(figures),
    stages(options.stages, report, guard),
    watched(pack(encoding, guard), watch?.pack),
  );
}
