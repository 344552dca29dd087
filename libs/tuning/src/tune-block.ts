import { EsparseError } from '@esparse/errors';
import { roundTo, type HalfDtype } from '@esparse/kernels';
import { survivorsOf, type OpenTuningBackend, type TuningBackendOptions, type Values } from './backend.ts';
import { createBatches } from './batches.ts';
import { learningRateAt } from './learning-rate.ts';
import { onnxTuning } from './onnx-backend.ts';
import type { IntegerRounding } from './round-through.ts';
import { completeOptions, type TuneOptions } from './tune-options.ts';

/** A parameter of a block: a linear's matrix, a bias, a norm's weight. */
export interface TunedParameter {
  /** f32, row-major. A matrix's are (rows x cols) in the original order of channels. */
  readonly values: Float32Array;
  /** As many as there are values: 1 where a weight survives, 0 where it is pruned, and stays 0. @default all survive */
  readonly mask?: Uint8Array | undefined;
  /** The type in which it is stored: what is learnt is rounded to it, once, at the end. */
  readonly dtype: HalfDtype | 'f32';
  /** It stays as it is. @default false */
  readonly fixed?: boolean | undefined;
  /** A matrix whose survivors, or all of whose weights, will be integers: the block is run with these. @default it will be of its dtype */
  readonly rounding?: IntegerRounding | undefined;
}

/** How far tuning is. */
export interface TuneProgress {
  /** Steps that are done. */
  readonly step: number;
  readonly steps: number;
  /** Of the last step's sequences, before it. */
  readonly loss: number;
}

/** What came of tuning. Losses are mean squared errors of the block's output. */
export interface TuneReport {
  /** Of some sequences that are tuned on, as many as are held out. */
  readonly lossBefore: number;
  readonly lossAfter: number;
  /** Of the sequences that are held out. */
  readonly heldOutBefore: number;
  readonly heldOutAfter: number;
  /** Steps that were done. */
  readonly steps: number;
  /**
   * 'done': all steps. 'early': the loss of the held-out sequences fell no more. 'diverged': it never fell, or a loss was no
   * number; the parameters are those that were given.
   */
  readonly stopped: 'done' | 'early' | 'diverged';
}

export interface TunedBlock {
  /** The values of every parameter that is not fixed, by slot: in memory of their own. */
  readonly parameters: Values;
  readonly report: TuneReport;
}

/** A block with what goes into it and what should come out of it: two calibration sequences at least. */
export interface TuneBlockOptions extends Omit<TuningBackendOptions, 'batch' | 'relative'> {
  /** @default TUNE_DEFAULTS, one by one */
  readonly options?: Partial<TuneOptions> | undefined;
  /** Decides which sequences are held out, and the order of the others: a whole number from 0 to 2^32 - 1. */
  readonly seed: number;
  /** What computes. @default ONNX Runtime on the processor */
  readonly backend?: OpenTuningBackend | undefined;
  /** Called after each step. */
  readonly onProgress?: ((progress: TuneProgress) => void) | undefined;
  /** Called meanwhile, for each sequence that has gone through the block: a step on a slow processor may take half an hour. */
  readonly onSequence?: (() => void) | undefined;
}

/** How often the held-out sequences are asked, at most, the end included. */
const EVALUATIONS = 10;

/**
 * Tunes a block by gradient descent, so that its output on some inputs comes near to some targets: Adam on the surviving
 * weights, norms and biases, in f32, by the mean squared error. What is given back are the parameters with which the loss
 * of the held-out sequences was least. Where weights will be integers, gradients are taken where rounding leads, and step
 * the weights before it, so that what is given back are these. Equal calls give equal bits on one device.
 * @throws EsparseError 'unsupported' for a block with an operation that has no gradient, 'usage' for options out of range
 *   or a single sequence; what the signal was aborted with
 */
export async function tuneBlock(given: TuneBlockOptions): Promise<TunedBlock> {
  const { parameters, sequences, seed, backend: open = onnxTuning() } = given;
  const options = completeOptions(given.options);
  const { steps, batch, learningRate, patience } = options;
  const warmUp = Math.floor(options.warmUp * steps);
  if (sequences < 2) {
    throw new EsparseError('usage', 'tuning takes at least two calibration sequences: one is held out');
  }
  const batches = createBatches(sequences, options.heldOut, batch, seed);
  /** As many of those that are tuned on as are held out. */
  const watched = batches.training.slice(0, batches.heldOut.length);
  const every = Math.max(1, Math.ceil(steps / EVALUATIONS));
  const backend = await open({ ...given, batch, relative: options.relative });

  /** Steps until there is no more to gain. */
  const descend = async (heldOutBefore: number) => {
    let least = heldOutBefore;
    let since = 0;
    let step = 0;
    while (step < steps) {
      const way = Array.from({ length: Math.min(every, steps - step) }, (_, i) => ({
        sequences: batches.next(),
        rate: learningRateAt(step + 1 + i, steps, learningRate, warmUp),
      }));
      let told = step;
      const done = await backend.descend(way, (loss) => given.onProgress?.({ step: ++told, steps, loss }));
      step += done;
      if (done < way.length) return { steps: step, stopped: 'diverged' } as const;
      const heldOut = await backend.loss(batches.heldOut);
      if (heldOut < least) {
        least = heldOut;
        since = 0;
        backend.keep();
      } else if (++since === patience && step < steps) return { steps: step, stopped: 'early' } as const;
    }
    return { steps, stopped: 'done' } as const;
  };

  try {
    const lossBefore = await backend.loss(watched);
    const heldOutBefore = await backend.loss(batches.heldOut);
    const before = { lossBefore, lossAfter: lossBefore, heldOutBefore, heldOutAfter: heldOutBefore };
    const learnt = [...parameters].filter(([, { fixed = false }]) => !fixed);
    const asGiven = (end: Pick<TuneReport, 'steps' | 'stopped'>): TunedBlock => ({
      parameters: new Map(learnt.map(([slot, parameter]) => [slot, survivorsOf(parameter)])),
      report: { ...before, ...end },
    });
    if (steps === 0) return asGiven({ steps, stopped: 'done' });
    const end = await descend(heldOutBefore);
    if (end.stopped === 'diverged') return asGiven(end);
    const kept = backend.kept();
    const tuned = new Map<string, Float32Array>();
    for (const [slot, { dtype }] of learnt) tuned.set(slot, await roundTo(dtype, kept.get(slot)!));
    backend.place(tuned);
    const heldOutAfter = await backend.loss(batches.heldOut);
    // Not less: what is no number is neither.
    if (!(heldOutAfter < heldOutBefore)) return asGiven({ ...end, stopped: 'diverged' });
    const lossAfter = await backend.loss(watched);
    return { parameters: tuned, report: { ...before, lossAfter, heldOutAfter, ...end } };
  } finally {
    await backend.release();
  }
}
