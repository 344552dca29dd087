import {
  checkpointWeights,
  openCheckpoint,
  openTokenizer,
  readText,
  separateWindows,
  type Checkpoint,
} from '@esparse/checkpoint';
import { CudaArithmetic } from '@esparse/cuda';
import { EsparseError } from '@esparse/errors';
import { importCheckpoint, type ImportReport } from '@esparse/export';
import { describeCheckpoint, linearsOf, weightSlot, type ModelDescription } from '@esparse/model';
import {
  linearAttributesOf,
  requireFinished,
  runTensors,
  storeWeights,
  type RunAttributes,
} from '@esparse/model-store';
import { isPacked } from '@esparse/sparsity';
import type { Run, Store } from '@esparse/store';
import {
  cudaModelTuning,
  modelSlot,
  readModelHead,
  tuneBlock,
  type TunedParameter,
  type TuneOptions,
  type TuneReport,
} from '@esparse/tuning';
import { placeDenseStates } from './dense-states.ts';
import { tunedCheckpoint } from './tuned-checkpoint.ts';

/** What is tuned, and how. */
export interface TuneRunOptions {
  readonly store: Store;
  /** A finished run. */
  readonly run: Run;
  /** The dense checkpoint that it was made of. */
  readonly model: string;
  readonly calibration: string;
  /** Windows at most: as many as the text has, which do not overlap. */
  readonly samples: number;
  readonly seqlen: number;
  readonly seed: number;
  readonly bos: boolean;
  /** The GPU's number. */
  readonly gpu: number;
  readonly tune: TuneOptions;
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
}

export interface TuneRunReport extends ImportReport {
  /** Windows of the text, the held-out ones among them. */
  readonly windows: number;
  readonly tuned: TuneReport;
}

/**
 * Tunes all blocks of a finished run at once, by the tokens that the dense model expects, and makes a run of what came of it, with the same
 * masks and orders. Equal calls give equal runs.
 *
 * @throws EsparseError 'unsupported' for a model that has no room on the GPU, or a run whose survivors are integers; 'checkpoint' for
 *   another model than the run's; 'numeric' where it learns nothing
 */
export async function tuneRun(options: TuneRunOptions): Promise<TuneRunReport> {
  const attributes = await requireFinished(options.run);
  const checkpoint = await openCheckpoint(options.model, options.signal);
  try {
    requireDense(attributes, checkpoint, options);
    const description = describeCheckpoint(checkpoint);
    await requireFloats(options.run, attributes, description);
    const gpu = CudaArithmetic.open(options.gpu);
    try {
      return await tuneOn(gpu, checkpoint, description, options);
    } finally {
      gpu.close();
    }
  } finally {
    await checkpoint.close();
  }
}

function requireDense(
  { model: digest }: RunAttributes,
  checkpoint: Checkpoint,
  { run, model }: TuneRunOptions,
): void {
  if (digest === checkpoint.digest) return;
  throw new EsparseError('checkpoint', `${model} is not what run ${run.fingerprint} was made of`, {
    hint: 'give the dense checkpoint that was pruned; a run that was tuned is tuned from the one before it',
  });
}

/** What comes of it has 16-bit survivors: where a run has others it would grow, and they would be rounded no more. */
async function requireFloats(
  run: Run,
  { options: { denseValues, encoding } }: RunAttributes,
  description: ModelDescription,
): Promise<void> {
  const refused = (what: string) =>
    new EsparseError('unsupported', `run ${run.fingerprint} has ${what}, which is not tuned as a whole`, {
      hint: 'tune a run whose survivors are 16-bit floats',
    });
  if (encoding !== undefined) throw refused(`survivors in the encoding ${encoding.name}`);
  if (denseValues !== undefined) throw refused(`dense matrices in ${denseValues}`);
  for (let block = 0; block < description.blocks; block++) {
    const group = await run.block(block);
    for (const { name } of linearsOf(description, block)) {
      const stored = linearAttributesOf(group, name);
      if (stored !== undefined && !isPacked(stored)) throw refused(`integers in ${name} of block ${block}`);
    }
  }
}

async function tuneOn(
  gpu: CudaArithmetic,
  checkpoint: Checkpoint,
  description: ModelDescription,
  options: TuneRunOptions,
): Promise<TuneRunReport> {
  const { store, run, model, samples, seqlen, seed, tune, signal, onProgress } = options;
  const weights = checkpointWeights(checkpoint);
  const tokens = separateWindows(await tokensOf(options), { samples, seqlen, seed });
  const windows = tokens.length / seqlen;
  onProgress('reading the pruned model');
  const parameters = await parametersOf(run, description, signal);
  const head = await readModelHead(description, weights, signal);
  const nothing = () =>
    Promise.reject(
      new EsparseError('unsupported', `the GPU has no room for ${windows} windows beside the model`, {
        hint: 'use fewer --samples',
      }),
    );
  const { parameters: learnt, report } = await tuneBlock({
    ...{ description, block: 0, parameters, sequences: windows, seqlen, seed, signal },
    ...{ inputs: nothing, targets: nothing, options: tune },
    backend: cudaModelTuning(gpu, head, onProgress),
    place: (add) =>
      placeDenseStates(
        {
          ...{ gpu, description, weights, tokens, seqlen, signal },
          onBlock: (block) => {
            onProgress(`the dense model: block ${block + 1} of ${description.blocks}`);
          },
        },
        add,
      ),
    onProgress: ({ step, steps, loss }) => {
      onProgress(`step ${step} of ${steps}: divergence ${loss.toFixed(4)}`);
    },
  });
  if (report.stopped === 'diverged') {
    throw new EsparseError('numeric', 'the divergence of the held-out windows did not fall: no run is made', {
      hint: 'use a lower --learning-rate, or more --samples',
    });
  }
  const imported = await importCheckpoint(tunedCheckpoint(checkpoint, namedTensors(description, learnt)), {
    ...{ store, run, model, signal },
    onProgress: ({ phase, block, blocks }) => {
      onProgress(`${phase}: block ${block + 1} of ${blocks}`);
    },
  });
  return { ...imported, windows, tuned: report };
}

async function tokensOf({ model, calibration, bos, signal }: TuneRunOptions): Promise<Uint32Array> {
  const tokenizer = await openTokenizer(model, signal);
  try {
    return await tokenizer.encode(await readText(calibration, signal), { bos, signal });
  } finally {
    tokenizer.close();
  }
}

const DTYPES = { BF16: 'bf16', F16: 'f16', F32: 'f32' } as const;

/** Those of all blocks. Linears that are not pruned stay as they are. */
async function parametersOf(
  run: Run,
  description: ModelDescription,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, TunedParameter>> {
  const weights = storeWeights(run, description);
  const tensors = runTensors(run, description);
  const parameters = new Map<string, TunedParameter>();
  for (let block = 0; block < description.blocks; block++) {
    const read = async (name: string) => ({
      values: await weights.read(name, signal),
      dtype: DTYPES[(await tensors.info(name)).dtype],
    });
    for (const { name, weight } of linearsOf(description, block)) {
      const tensor = weight(block);
      const mask = await tensors.mask(tensor, signal);
      const slot = modelSlot(block, weightSlot(name));
      parameters.set(slot, { ...(await read(tensor)), mask, fixed: mask === undefined });
    }
    for (const { slot, name } of description.blockTensors(block))
      parameters.set(modelSlot(block, slot), await read(name));
  }
  return parameters;
}

/** By the checkpoint's names. */
function namedTensors(
  description: ModelDescription,
  learnt: ReadonlyMap<string, Float32Array>,
): ReadonlyMap<string, Float32Array> {
  const named = new Map<string, Float32Array>();
  for (let block = 0; block < description.blocks; block++) {
    const slots = [
      ...linearsOf(description, block).map(({ name, weight }) => [weightSlot(name), weight(block)] as const),
      ...description.blockTensors(block).map(({ slot, name }) => [slot, name] as const),
    ];
    for (const [slot, name] of slots) {
      const values = learnt.get(modelSlot(block, slot));
      if (values !== undefined) named.set(name, values);
    }
  }
  return named;
}
