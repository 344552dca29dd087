import { createHash } from 'node:crypto';
import {
  canonicalJson,
  openCheckpoint,
  tensorToHalf,
  tokenizerFiles,
  type Checkpoint,
} from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { free } from '@esparse/kernels';
import {
  describeCheckpoint,
  describeModel,
  linearsOf,
  tensorsOfBlock,
  type LinearSpec,
  type ModelDescription,
} from '@esparse/model';
import {
  densePath,
  linearAttributesOf,
  readTokenizerFiles,
  requireFinished,
  runTensors,
  writeCheckpointLayout,
  writeDense,
  writeLinear,
  writeTokenizerFiles,
  type RunAttributes,
  type RunTensors,
} from '@esparse/model-store';
import { packLinear } from '@esparse/sparsity';
import { nameOfLocation, resolveLocation, throwIfCancelled } from '@esparse/storage';
import { commitWith, type Run, type RunWriter, type Store, type Transaction } from '@esparse/store';
import { countOutside, inOrder } from './masked.ts';

export interface ImportOptions {
  readonly store: Store;
  /** The finished run whose masks and orders the new one gets. */
  readonly run: Run;
  /** The tuned checkpoint. */
  readonly model: string;
  /** What becomes of weights that were pruned and are not zero any more. @default 'refuse' */
  readonly outside?: 'refuse' | 'drop';
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: ImportProgress) => void;
}

/** How far an import is: every block is checked, then every block is written. */
export interface ImportProgress {
  readonly phase: 'checking' | 'writing';
  readonly block: number;
  readonly blocks: number;
}

export interface ImportReport {
  readonly run: string;
  readonly masksOf: string;
  readonly blocks: number;
  /** Weights that were pruned and not zero in the checkpoint; they were left out. */
  readonly outside: number;
}

/**
 * Makes a finished run of a tuned checkpoint, with the masks and the orders of a run of the store: sparsity survives
 * fine-tuning. The new run becomes the one that is served. Stopped, the same call goes on after the last block.
 *
 * @throws EsparseError 'checkpoint' where it is another model, or weights that were pruned are not zero and are not to be
 *   dropped: nothing is written then
 */
export async function importWeights(options: ImportOptions): Promise<ImportReport> {
  const checkpoint = await openCheckpoint(options.model, options.signal);
  try {
    return await importCheckpoint(checkpoint, options);
  } finally {
    await checkpoint.close();
  }
}

/**
 * The same of a checkpoint that is open, and stays so. Its digest names the run; what is outside its weights comes from `model`.
 *
 * @throws as `importWeights`
 */
export async function importCheckpoint(
  checkpoint: Checkpoint,
  options: ImportOptions,
): Promise<ImportReport> {
  const { store, run: base, model } = options;
  const attributes = await requireFinished(base);
  const description = describeCheckpoint(checkpoint);
  if (description.family !== attributes.family || description.blocks !== attributes.blocks) {
    const found = `${description.family} of ${description.blocks} blocks`;
    throw new EsparseError(
      'checkpoint',
      `${model} is ${found}, run ${base.fingerprint} ${attributes.family} of ${attributes.blocks}`,
      { hint: 'give the checkpoint that was tuned from an export of this run, or name its run with --run' },
    );
  }
  const session = {
    ...options,
    checkpoint,
    description,
    tensors: runTensors(base, describeModel(attributes.config)),
  };
  const outside = await checkOutside(session);
  const made = { model: checkpoint.digest, masksOf: base.fingerprint };
  const fingerprint = createHash('sha256').update(canonicalJson(made)).digest('hex').slice(0, 32);
  const writer = await store.beginRun(fingerprint, {
    ...attributes,
    ...made,
    config: checkpoint.config,
    options: asFloats(attributes.options),
  });
  try {
    await write(writer, session);
  } finally {
    await writer.close();
  }
  return { run: fingerprint, masksOf: base.fingerprint, blocks: description.blocks, outside };
}

/** The options without what they say of bytes: weights are floats again, whatever the base run stores them in. */
function asFloats(options: RunAttributes['options']): RunAttributes['options'] {
  return { ...options, denseValues: undefined, denseTuned: undefined, encoding: undefined };
}

interface Session extends ImportOptions {
  readonly checkpoint: Checkpoint;
  readonly description: ModelDescription;
  /** Of the run that has the masks. */
  readonly tensors: RunTensors;
}

/** The weights of a linear of the tuned checkpoint, and which of them are kept; undefined where it is dense. */
async function masked({ tensors, checkpoint, signal }: Session, name: string) {
  const mask = await tensors.mask(name, signal);
  if (mask === undefined) return undefined;
  const { dtype, shape } = checkpoint.info(name);
  const { shape: expected } = await tensors.info(name);
  if (shape[0] !== expected[0] || shape[1] !== expected[1]) {
    throw new EsparseError(
      'checkpoint',
      `tensor ${name} is ${shape.join(' x ')}, in the run ${expected.join(' x ')}`,
      { hint: 'give the checkpoint that was tuned from an export of this run', context: { tensor: name } },
    );
  }
  const half = tensorToHalf(dtype, await checkpoint.read(name, signal));
  return { mask, dtype: half.dtype, weights: half.bits, rows: shape[0]!, cols: shape[1]! };
}

/** How many weights outside the masks are not zero. @throws EsparseError 'checkpoint' where there are any, unless they are dropped */
async function checkOutside(session: Session): Promise<number> {
  const { description, model, signal, onProgress } = session;
  const found: { readonly name: string; readonly count: number }[] = [];
  for (let block = 0; block < description.blocks; block++) {
    onProgress?.({ phase: 'checking', block, blocks: description.blocks });
    for (const linear of linearsOf(description, block)) {
      throwIfCancelled(signal, `reading ${model}`);
      const name = linear.weight(block);
      const tuned = await masked(session, name);
      if (tuned === undefined) continue;
      const count = countOutside(tuned.weights, tuned.mask);
      for (const array of [tuned.weights, tuned.mask]) free(array);
      if (count > 0) found.push({ name, count });
    }
  }
  const outside = found.reduce((sum, { count }) => sum + count, 0);
  if (outside === 0 || session.outside === 'drop') return outside;
  const examples = found.slice(0, 3).map(({ name, count }) => `${name}: ${count}`);
  throw new EsparseError(
    'checkpoint',
    `${model}: ${outside} weights of ${found.length} matrices were pruned and are not zero (${examples.join(', ')}${found.length > 3 ? ', …' : ''})`,
    {
      hint: 'hold the masks while you tune (docs/fine-tuning.md), or leave these weights out with --outside drop',
      context: { outside },
    },
  );
}

async function write(writer: RunWriter, session: Session): Promise<void> {
  const { description, checkpoint, model, signal, onProgress } = session;
  const own = await tokenizerFiles(model, signal);
  const isWhole = own.some(({ name }) => name === 'tokenizer.json');
  // Trainers often save the weights alone.
  await writeTokenizerFiles(writer, isWhole ? own : await readTokenizerFiles(session.run));
  if (!(await writer.run.isDenseCommitted())) {
    await writeCheckpointLayout(writer, checkpoint);
    await commitWith(writer.beginDense(), {}, async (group) => {
      for (const { name } of description.outerTensors)
        await writeDense(group, name, checkpoint, name, signal);
    });
  }
  for (let block = 0; block < description.blocks; block++) {
    onProgress?.({ phase: 'writing', block, blocks: description.blocks });
    if (await writer.run.isCommitted(block)) continue;
    await commitWith(writer.beginBlock(block), { block }, (group) => writeBlock(group, block, session));
  }
  await writer.finish({ blocks: description.blocks, name: nameOfLocation(await resolveLocation(model)) });
}

async function writeBlock(group: Transaction, block: number, session: Session): Promise<void> {
  const { description, checkpoint, signal } = session;
  const dense = new Set(tensorsOfBlock(description, block).map(({ name }) => name));
  for (const linear of linearsOf(description, block)) {
    throwIfCancelled(signal, 'importing weights');
    if (await writeMasked(group, linear, block, session)) dense.delete(linear.weight(block));
  }
  for (const name of dense) await writeDense(group, densePath(name), checkpoint, name, signal);
}

/** Writes a linear as the base run has it packed. @returns false where that left it dense */
async function writeMasked(
  group: Transaction,
  linear: LinearSpec,
  block: number,
  session: Session,
): Promise<boolean> {
  const { run: base, tensors, signal } = session;
  const name = linear.weight(block);
  const order = await tensors.order(name, signal);
  const tuned = await masked(session, name);
  if (order === undefined || tuned === undefined) return false;
  const { permutation, pattern } = order;
  const { keptScore = { before: 1, after: 1 } } = linearAttributesOf(await base.block(block), linear.name)!;
  const packed = await packLinear(tuned, permutation, inOrder(tuned.mask, tuned.cols, permutation), pattern);
  await writeLinear(group, linear.name, packed, { keptScore });
  for (const array of [packed.values, packed.indices, tuned.weights, tuned.mask]) free(array);
  return true;
}
