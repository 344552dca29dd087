import { concatMap, defer, identity, of, pipe, type OperatorFunction } from 'rxjs';
import type { ConfiguredPipeline, OwnEncoding, StageContext, StageDevice } from '@esparse/sparsity';
import { denseOutputs, scoreFigures, type FigureOptions } from './figures.ts';
import type { GuardOptions } from './guard.ts';
import type { LinearJob, LoadedLinear, MaskedLinear, PrunedLinear } from './linear.ts';
import { load, type LoadWeights } from './load.ts';
import { mask } from './mask.ts';
import { chooseOnDevice, choosesOnDevice } from './on-device.ts';
import { pack } from './pack.ts';
import { score } from './score.ts';
import { shuffle } from './shuffle.ts';
import { stages } from './stage.ts';
import { createTurns, type Turns } from './turns.ts';
import { watched, type WatchStep } from './watched.ts';

/** How a linear is pruned. */
export interface PruneLinearOptions extends Pick<ConfiguredPipeline, 'metric' | 'shuffle' | 'stages'> {
  /** Reads its weights. */
  readonly load: LoadWeights;
  /** What stages report: notes, and how far they are. */
  readonly report: Omit<StageContext, 'signal' | 'device'>;
  /** Devices that compute from the scores to the last stage, each one linear at a time. @default the processor */
  readonly devices?: Turns<StageDevice> | undefined;
  /** How calls of plug-ins are guarded. */
  readonly guard?: GuardOptions;
  /** An encoding that does not come with esparse, in which survivors are stored. @default none */
  readonly encoding?: OwnEncoding | undefined;
  /** Takes figures for a report. @default none */
  readonly figures?: FigureOptions | undefined;
  /** Tells when the steps work that are no plug-ins; those are watched by `guard`. @default nobody does */
  readonly watch?: { readonly mask: WatchStep; readonly pack: WatchStep } | undefined;
}

/**
 * The steps of a linear, from its weights in the checkpoint to what is committed: load, score, shuffle, mask, stages, pack. Linears get
 * devices in the order in which they begin, whichever is read first: small ones are, and large ones would be left for the end.
 */
export function pruneLinear(options: PruneLinearOptions): OperatorFunction<LinearJob, PrunedLinear> {
  const { guard, encoding, devices, watch } = options;
  const alone = createTurns([undefined]);
  const chosen = (): OperatorFunction<LoadedLinear, MaskedLinear> => {
    if (devices === undefined) return survivors(options);
    const place = devices.place();
    return concatMap((linear) =>
      devices.use((device, leave) => of(linear).pipe(survivors(options, { device, leave, alone })), place),
    );
  };
  return (jobs$) =>
    defer(() =>
      jobs$.pipe(
        load(options.load),
        choosesThere(options) ? identity : comparison(options),
        chosen(),
        watched(pack(encoding, guard), watch?.pack),
      ),
    );
}

/** Finds what outputs are compared with, where they are. */
function comparison({ figures }: PruneLinearOptions): OperatorFunction<LoadedLinear, LoadedLinear> {
  return figures?.outputs === undefined ? identity : denseOutputs(figures.outputs);
}

/** Whether scores, order, mask and dense outputs are found in devices. Figures of scores are found where all can see these. */
function choosesThere(options: PruneLinearOptions): boolean {
  return options.devices !== undefined && choosesOnDevice(options) && options.figures?.scores !== true;
}

/** From weights to survivors. */
function survivors(
  options: PruneLinearOptions,
  {
    device,
    leave,
    alone,
  }: {
    readonly device?: StageDevice;
    /** Called once nothing more is wanted of the device. */
    readonly leave?: () => void;
    readonly alone?: Turns<unknown>;
  } = {},
): OperatorFunction<LoadedLinear, MaskedLinear> {
  const { metric, guard, report, figures, watch } = options;
  const choose = pipe(
    score(metric, guard),
    shuffle(options.shuffle, guard, device),
    watched(mask(), watch?.mask),
  );
  const parts = {
    ...{ metric, shuffle: options.shuffle, guard, watch: watch?.mask, outputs: figures?.outputs },
    areFinal: options.stages.length === 0 && options.encoding === undefined,
  };
  return pipe(
    device !== undefined && choosesThere(options)
      ? chooseOnDevice(parts, device, pipe(comparison(options), choose))
      : choose,
    figures?.scores === true ? scoreFigures() : identity,
    stages(options.stages, { ...report, device, leave }, guard, alone),
  );
}
