import type { MessagePort } from 'node:worker_threads';
import { EsparseError } from '@esparse/errors';
import { narrow, spanOf, type QuantizedBits } from '@esparse/kernels';
import { linearsOf, weightSlot, type ModelDescription } from '@esparse/model';
import { runTensors, storeWeights, type ChannelOrder } from '@esparse/model-store';
import { EVERYTHING, identityOrder } from '@esparse/sparsity';
import { openStore, type Run } from '@esparse/store';
import { tuneBlock, type IntegerRounding, type TunedParameter, type TuneReport } from '@esparse/tuning';
import type { ModelTarget } from './compute-inputs.ts';
import { openExamples, type ExampleRequest, type Examples } from './examples.ts';
import { clearOthers } from './hold-block.ts';
import type { Caller } from './long-call.ts';
import type { OpenLanguageModel } from './models.ts';
import { placeExamples } from './place-examples.ts';
import { requireBlock } from './require-inputs.ts';

/** The draft of a block in a run, and how it is tuned. */
export interface TuneInput {
  readonly target: ModelTarget & { readonly store: string; readonly run: string; readonly block: number };
  readonly request: ExampleRequest & {
    readonly steps: number;
    readonly batch: number;
    readonly learningRate: number;
    readonly heldOut: number;
    readonly seed: number;
    readonly relative: boolean;
    /** Bits of the integers that these linears become, with a scale for at most so many survivors; 0 where none do. */
    readonly bits: number;
    readonly group: number;
    readonly rounded: readonly string[];
    /** The same of linears that are not pruned: those that it names are tuned, too. */
    readonly denseRounding: {
      readonly bits: number;
      readonly group: number;
      readonly linears: readonly string[];
    } | null;
  };
  /** Where progress goes, and the wish to stop comes from: see `longCall`. */
  readonly port: MessagePort;
}

/** How much of the work is done: targets that are made, and steps. */
export interface TuneProgress {
  readonly done: number;
  readonly total: number;
}

/** What comes back of a parameter: 16-bit words of a pruned linear, f32 of any other. */
export interface TunedValues {
  readonly slot: string;
  readonly data: Uint16Array | Float32Array;
}

export interface TunedDraft {
  readonly parameters: readonly TunedValues[];
  readonly report: TuneReport;
}

/** A sign of life comes at least so often, unless a single sequence takes longer. */
const SIGN_MS = 10_000;

/**
 * Tunes the draft of a block: first the dense block makes the targets of all sequences, then it is dropped, and the draft's
 * parameters take its place, so that one block is in memory at a time. Where a GPU has room for all sequences, they are made there and
 * stay there.
 */
export async function tuneDraft(
  open: OpenLanguageModel,
  { target, request }: TuneInput,
  { threads, signal, report }: Caller<TuneProgress> & { readonly threads: number },
): Promise<TunedDraft> {
  const { block, seqlen } = target;
  const { description } = open;
  requireBlock(description, block);
  const { statistics: device } = open.opened;
  // The next one, which was read while linears were pruned, would take room from what is tuned.
  if (device !== undefined) await clearOthers(open, block);
  const { seed, sequences, steps, batch, learningRate, heldOut, relative } = request;
  const run = await (await openStore(target.store)).openRun(target.run);
  const total = sequences + steps;
  let [done, told] = [0, performance.now()];
  const tell = (now = done) => {
    done = now;
    told = performance.now();
    report({ done, total });
  };
  const options = { request, seqlen, signal, onSequence: tell };
  let made: Promise<Examples> | undefined;
  const examples = () => (made ??= openExamples(open, run, block, options));
  try {
    if (device === undefined) await examples();
    const parameters = await draftParameters(run, description, { block, request }, signal);
    const tuned = await tuneBlock({
      ...{ description, block, parameters, sequences, seqlen, seed, signal },
      backend: open.opened.tuning({ threads }),
      inputs: async (sequence) => (await examples()).input(sequence),
      targets: async (sequence) => (await examples()).target(sequence),
      place: device && ((add) => placeExamples(open, target, run, options, add)),
      options: { steps, batch, learningRate, heldOut, relative },
      onProgress: ({ step }) => {
        tell(sequences + step);
      },
      onSequence: () => {
        if (performance.now() - told >= SIGN_MS) tell();
      },
    });
    return {
      parameters: [...tuned.parameters].map(([slot, values]) =>
        valuesOf(slot, parameters.get(slot)!, values),
      ),
      report: tuned.report,
    };
  } finally {
    await made?.then(
      ({ close }) => close(),
      () => undefined,
    );
  }
}

/** The parameters of a draft, by slot. Linears that were left dense stay as they are, but for those that become integers. */
async function draftParameters(
  run: Run,
  description: ModelDescription,
  { block, request }: { readonly block: number; readonly request: TuneInput['request'] },
  signal: AbortSignal,
): Promise<ReadonlyMap<string, TunedParameter>> {
  // The block's place in the run is empty yet: what is read of it is read of its draft.
  const draft = { ...run, block: (k: number) => run.draft(k) };
  const weights = storeWeights(draft, description);
  const tensors = runTensors(draft, description);
  const parameters = new Map<string, TunedParameter>();
  const read = async (name: string) => ({
    values: await weights.read(name, signal),
    dtype: DTYPES[(await tensors.info(name)).dtype],
  });
  const { rounded, denseRounding } = request;
  for (const { name, weight, cols } of linearsOf(description, block)) {
    const tensor = weight(block);
    const mask = await tensors.mask(tensor, signal);
    let rounding: IntegerRounding | undefined;
    if (mask === undefined) {
      if (denseRounding?.linears.includes(name) === true)
        rounding = roundingOf({ pattern: EVERYTHING, permutation: identityOrder(cols) }, denseRounding);
    } else if (rounded.includes(name)) {
      const order = await tensors.order(tensor, signal);
      rounding = order && roundingOf(order, request);
    }
    const fixed = mask === undefined && rounding === undefined;
    parameters.set(weightSlot(name), { ...(await read(tensor)), mask, fixed, rounding });
  }
  for (const { slot, name } of description.blockTensors(block)) parameters.set(slot, await read(name));
  return parameters;
}

/** How a linear of that order will be stored as integers. */
function roundingOf(
  { permutation, pattern: { keep, group } }: ChannelOrder,
  { bits, group: survivors }: { readonly bits: number; readonly group: number },
): IntegerRounding {
  if (!isQuantizedBits(bits)) throw new EsparseError('usage', `integers of ${bits} bits, expected 8, 4 or 3`);
  return { bits, positions: spanOf(keep, survivors) * group, permutation };
}

function isQuantizedBits(bits: number): bits is QuantizedBits {
  return bits === 8 || bits === 4 || bits === 3;
}

const DTYPES = { BF16: 'bf16', F16: 'f16', F32: 'f32' } as const;

function valuesOf(slot: string, { dtype, mask }: TunedParameter, values: Float32Array): TunedValues {
  // Pruned linears are always of a 16-bit type.
  const data = mask === undefined || dtype === 'f32' ? values : narrow(dtype, values);
  return { slot, data };
}
