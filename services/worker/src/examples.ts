import { EsparseError } from '@esparse/errors';
import { createSpill, type Slab } from '@esparse/reconstruction';
import type { LoadedBlock } from '@esparse/onnx';
import type { Run } from '@esparse/store';
import { TUNING_MEMORY, TUNING_PIECE_BYTES, tuningMemory } from '@esparse/tuning';
import { sequencesOf, viewsOf, type ShardStates } from './activations.ts';
import { mapAhead } from './ahead.ts';
import { denseStates } from './methods/dense-states.ts';
import type { OpenLanguageModel } from './models.ts';

/** Which sequences a block is tuned on, and by what. */
export interface ExampleRequest {
  /** Ascending: those that hold the sequences. */
  readonly shards: readonly number[];
  /** Sequences of these that are used: the first. */
  readonly sequences: number;
  /** Share of the dense model's own output in the target. */
  readonly dense: number;
}

export interface ExampleOptions {
  readonly request: ExampleRequest;
  readonly seqlen: number;
  readonly signal: AbortSignal;
  /** A sequence is there: so many are. */
  readonly onSequence: (done: number) => void;
}

/** What goes into a block, and what should come out, sequence by sequence: each (seqlen x hidden). */
export interface Examples {
  input(sequence: number): Promise<Float32Array>;
  target(sequence: number): Promise<Float32Array>;
  close(): Promise<void>;
}

/**
 * Makes the sequences that a block is tuned on: hidden states of the pruned model, shard by shard, and as the target what the dense
 * block makes of them, mixed with what it makes of the dense model's own.
 */
export async function openExamples(
  open: OpenLanguageModel,
  run: Run,
  block: number,
  { request: { shards, sequences, dense }, seqlen, signal, onSequence }: ExampleOptions,
): Promise<Examples> {
  const size = seqlen * open.description.hidden;
  const spill = createSpill({
    memory: tuningMemory(),
    holds: 'the sequences of a block',
    variable: TUNING_MEMORY,
  });
  const ofPiece = Math.max(1, Math.floor(TUNING_PIECE_BYTES / (2 * BYTES * size)));
  const places: Place[] = [];
  // Before the first block both models have the same states.
  const both = dense > 0 && block > 0;
  const { value: denseBlock, release } = await open.blocks.hold(`dense:${block}`, () =>
    open.runner.load(block, open.weights, signal),
  );
  try {
    const read = async (shard: number) => ({
      states: await run.hidden.read(block, shard, signal),
      own: both ? await denseStates(run, block).read(block, shard, signal) : undefined,
    });
    for await (const { states, own } of mapAhead(shards, 1, read)) {
      const outputs = outputsOf(open, denseBlock, states);
      const others = own && outputsOf(open, denseBlock, own);
      const inputs = [...viewsOf(states)].slice(0, sequences - places.length);
      for (let first = 0; first < inputs.length; first += ofPiece) {
        const some = inputs.slice(first, first + ofPiece);
        const slab = await spill.allocate(some.length * 2 * BYTES * size);
        await slab.use('change', async (bytes) => {
          for (const [i, input] of some.entries()) {
            signal.throwIfAborted();
            requireSize(input, size);
            const offset = i * 2 * BYTES * size;
            new Float32Array(bytes, offset, size).set(input);
            const target = await valueOf(outputs);
            const place = new Float32Array(bytes, offset + BYTES * size, size);
            if (others === undefined) place.set(target);
            else mix(place, target, await valueOf(others), dense);
            places.push({ slab, offset });
            onSequence(places.length);
          }
        });
      }
      if (places.length === sequences) break;
    }
    if (places.length < sequences) {
      throw new EsparseError('store', `the shards hold ${places.length} sequences, not ${sequences}`);
    }
  } catch (error) {
    await spill.close();
    throw error;
  } finally {
    release();
    // What is tuned takes its place.
    await open.blocks.clear();
  }
  const part = async (sequence: number, output: number): Promise<Float32Array> => {
    const { slab, offset } = places[sequence]!;
    const at = offset + output * BYTES * size;
    // Nothing changes it, and it stays until the end.
    if (slab.inMemory) return slab.use('read', (bytes) => new Float32Array(bytes, at, size));
    const values = new Float32Array(size);
    await slab.read(at, new Uint8Array(values.buffer));
    return values;
  };
  return {
    input: (sequence) => part(sequence, 0),
    target: (sequence) => part(sequence, 1),
    close: () => spill.close(),
  };
}

/** Where a sequence's input is, and its target behind it. */
interface Place {
  readonly slab: Slab;
  /** In bytes. */
  readonly offset: number;
}

/** Of an f32. */
const BYTES = 4;

/** What a block makes of each sequence of a shard: of all at once where the device takes them so, else of each when it is asked for. */
async function* outputsOf(
  { opened }: OpenLanguageModel,
  block: LoadedBlock,
  states: ShardStates<Float32Array>,
): AsyncGenerator<Float32Array, undefined> {
  if (!opened.runsShards) {
    for (const input of sequencesOf(states)) yield await block.advance(input);
    return;
  }
  yield* viewsOf({ data: await block.advance(states.data), shape: states.shape });
}

/** There is one for each sequence. */
async function valueOf(outputs: AsyncGenerator<Float32Array, undefined>): Promise<Float32Array> {
  return (await outputs.next()).value!;
}

/** @throws EsparseError 'store' for hidden states of another model or sequence length */
function requireSize({ length }: Float32Array, size: number): void {
  if (length === size) return;
  throw new EsparseError('store', `hidden states of ${length} values a sequence, not ${size}`);
}

/** A target of which a share is another's. */
function mix(into: Float32Array, target: Float32Array, other: Float32Array, share: number): void {
  const rest = 1 - share;
  for (let i = 0; i < into.length; i++) into[i] = rest * target[i]! + share * other[i]!;
}
