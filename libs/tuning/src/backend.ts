import type { ModelDescription } from '@esparse/model';
import type { TunedParameter } from './tune-block.ts';

/** Values of parameters, f32, by slot. */
export type Values = ReadonlyMap<string, Float32Array>;

/** A step of gradient descent. */
export interface TuneStep {
  /** The sequences whose mean loss it goes down. */
  readonly sequences: readonly number[];
  /** About what it changes a value by. */
  readonly rate: number;
}

/**
 * What computes while a block is tuned: it has the block's parameters where it computes, and changes those that are not fixed. Calls
 * come one after another. Losses are mean squared errors of the block's output.
 */
export interface TuningBackend {
  /** The mean loss of some sequences, with the parameters as they are. */
  loss(sequences: readonly number[]): Promise<number>;
  /**
   * Steps, one after another. It ends before a step whose loss is no number, or soon after it: the parameters are of no use then.
   * @param onLoss told the loss of each step's sequences, before the step, in order; perhaps of several at a time
   * @returns steps whose losses were numbers
   */
  descend(steps: readonly TuneStep[], onLoss: (loss: number) => void): Promise<number>;
  /** Remembers the parameters as they are now. */
  keep(): void;
  /** Those remembered last that are not fixed; the start's otherwise. They stay the backend's. */
  kept(): Values;
  /** Puts values in the place of those that are not fixed, all of them: the way on is not downhill then. */
  place(values: Values): void;
  release(): Promise<void>;
}

/** Values in the memory of the backend's device, or bf16 ones, as their bits, that are to go there. */
export type PlacedValues =
  { readonly address: number; readonly type: 'f32' | 'bf16'; readonly length: number } | Uint16Array;

/** A share of some values, that of the inputs or the targets of sequences, from one on. */
export interface PlacedPart {
  readonly to: 'inputs' | 'targets';
  readonly first: number;
  readonly values: PlacedValues;
  readonly share: number;
}

/** What a backend is given. */
export interface TuningBackendOptions {
  readonly description: ModelDescription;
  /** The block's number. */
  readonly block: number;
  /** All of the block's parameters, by the slots that its program reads. What is pruned begins as 0, and stays so. */
  readonly parameters: ReadonlyMap<string, TunedParameter>;
  readonly sequences: number;
  /** Tokens of each. */
  readonly seqlen: number;
  /** The block's input of a sequence, (seqlen x hidden). */
  readonly inputs: (sequence: number) => Promise<Float32Array>;
  /** What the block should make of it, (seqlen x hidden). */
  readonly targets: (sequence: number) => Promise<Float32Array>;
  /**
   * Adds up inputs and targets where the backend's device has room for all of them: it is asked for this instead, before anything else
   * is there. Values are read until the next call.
   * @default they come from the host
   */
  readonly place?: ((add: (part: PlacedPart) => void) => Promise<void>) | undefined;
  /** Sequences of a step, at most. */
  readonly batch: number;
  /** Whether the error of each token counts as a part of its target's mean square. @default false */
  readonly relative?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called for each sequence that has gone through the block, where one takes long enough to be waited for. @default nobody is told */
  readonly onSequence?: (() => void) | undefined;
}

/**
 * Opens a backend for one block.
 * @throws EsparseError 'unsupported' for a block with an operation that has no gradient there
 */
export type OpenTuningBackend = (options: TuningBackendOptions) => Promise<TuningBackend>;

/** A copy of a parameter's values, 0 where the mask prunes. */
export function survivorsOf({ values, mask }: TunedParameter): Float32Array {
  const survivors = values.slice();
  // A loop and no callback: a block of a large model has hundreds of millions.
  if (mask !== undefined) for (let i = 0; i < mask.length; i++) if (mask[i] !== 1) survivors[i] = 0;
  return survivors;
}
