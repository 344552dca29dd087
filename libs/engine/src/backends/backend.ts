import type { ModelDescription } from '@esparse/model';
import type { EsparseError } from '@esparse/errors';
import type { TopLogprobs } from '../sampling/log-probabilities.ts';
import type { SamplingParams } from '../sampling/params.ts';
import type { Sampler } from '../sampling/sampler.ts';
import type { TokenHistory } from '../sampling/sampling-option.ts';
import type { ModelArrays } from '../weights/model-arrays.ts';

/**
 * What computes: a kind of device, and how a model is run on it. The engine library keeps the books (which sequence holds
 * which pages, how long it is, whether a step can be) and gives a backend only steps that can be; the backend owns the
 * weights, the memory of the key-value cache, its buffers, threads and the state of its samplers.
 */
export interface Backend {
  /** The most tokens of a step, where an engine is not told: so many as fill the device. @default 512 */
  readonly stepTokens?: number;
  /**
   * Opens a model on a device: from then on the memory of the model is the backend's.
   *
   * @throws EsparseError 'usage' for options that it cannot follow, 'unsupported' for a model or a device that it cannot
   * use, 'store' for weights that cannot be used
   */
  open(model: StoredModel, options: BackendOptions): Promise<BackendModel>;
}

/** A finished run of a store, or a checkpoint, as a backend opens it. */
export interface StoredModel {
  readonly description: ModelDescription;
  /** Its arrays, in local files that can be mapped. They stay until the model is closed. */
  readonly arrays: ModelArrays;
}

/** On which device a model is opened, and for how much at once. */
export interface BackendOptions {
  /** Which of several devices: what follows the colon in `--device name:which`. */
  readonly device: string | undefined;
  /** Threads of the processor that a step may use. @default all */
  readonly threads: number | undefined;
  /** The longest sequence, in tokens. */
  readonly maxContext: number;
  /** The most tokens of one step, over all of its sequences. */
  readonly maxStepTokens: number;
  /** The most bytes of the key-value cache. @default as the backend chooses */
  readonly kvBytes: number | undefined;
  readonly signal: AbortSignal | undefined;
}

/** A model on a device. It runs one step at a time. */
export interface BackendModel {
  /** What it computes on and with, by name: for logs and `/info`. */
  readonly device: DeviceFacts;
  readonly weightBytes: WeightBytes;
  /** Pages of the key-value cache, tokens that fit into each, and bytes of each over all blocks. */
  readonly pages: number;
  readonly pageTokens: number;
  readonly pageBytes: number;
  /**
   * Writes keys and values of all tokens into the pages of their sequences, and gives what each part wants. The parts
   * were checked: every sequence is there once, has pages for its tokens, and all tokens are of the vocabulary. What a
   * sequence is given has the same bits alone and in any batch, and however its tokens are cut into steps.
   *
   * The call begins what a device computes, and returns before it waits for it, or computes on this thread: what its caller
   * does then is done beside a device.
   *
   * An error is one of the whole step: no sequence grows, and the step may be tried again. Logits that no token can be
   * chosen from are the part's own outcome.
   *
   * @param signal ends the step where that is possible
   * @throws EsparseError 'unavailable' with `device: 'lost'` in its context where no step will succeed any more
   */
  run(parts: readonly BatchPart[], signal: AbortSignal | undefined): Promise<StepOutput[]>;
  /** How full and how busy the device is. @default nothing is told of it */
  usage?(): DeviceUsage;
  /** Releases the device's memory. No step is under way, and none follows. */
  close(): Promise<void>;
}

/** How full and how busy a device is; totals are since the model was opened. */
export interface DeviceUsage {
  /** As `--device` names it. */
  readonly device: string;
  /** Bytes of its memory that this process holds, of so many in all. */
  readonly memoryUsed: number;
  readonly memoryTotal: number;
  /** Bytes of weights, keys and values that steps have read. */
  readonly readBytes: number;
  /** Bytes that it could read in a second, by its clock and the width of its memory; 0 where it does not tell. */
  readonly readBandwidth: number;
  /** Graphs of kernels that were made, and how often one was launched, by the number of tokens that they are for. */
  readonly graphs: number;
  readonly launches: Readonly<Record<number, number>>;
}

/** What one step does to one sequence. */
export interface BatchPart {
  readonly sequence: BatchSequence;
  /** Appended to the sequence: a piece of a prompt (prefill), or the token that was chosen last (decode). */
  readonly tokens: Uint32Array;
  readonly want: Want;
}

/**
 * A sequence as a backend sees it. It is the same object in every step, so a backend may keep what it knows of the
 * sequence in a `WeakMap` under this object.
 */
export interface BatchSequence {
  /** Tokens whose keys and values are in its pages. */
  readonly length: number;
  /** Where its prompt ends: before the first token that was sampled. None was so far where it is undefined. */
  readonly promptTokens: number | undefined;
  /** Its pages, in order: the token at position p is in page p / pageTokens. */
  readonly pages: Int32Array;
  /** How its tokens are chosen, for a device that chooses them itself. */
  readonly sampling: SamplingParams;
  /** What chooses them from logits in the host's memory; see `sampleToken`. */
  readonly sampler: Sampler;
  /** The tokens up to the end of this part, before it is run. */
  history(part: BatchPart): TokenHistory;
}

/** What is wanted of one part of a step: see `StepOutputs`. */
export type Want = keyof StepOutputs;

/** What a step gives for a part, by what was wanted. */
export interface StepOutputs {
  readonly nothing: undefined;
  /** (vocab) after the last token; valid until the next step. */
  readonly lastLogits: Float32Array;
  /** (tokens x vocab), after each token; valid until the next step. */
  readonly allLogits: Float32Array;
  /** The next token, chosen as the sequence's sampling parameters say. */
  readonly token: SampledToken | SamplingFailure;
}

/** What a step gives for a part, whatever was wanted of it. */
export type StepOutput = StepOutputs[Want];

/** The token that was sampled to follow a sequence. */
export interface SampledToken {
  /** Its id in the vocabulary. */
  readonly token: number;
  /** Where the sequence's sampling parameters ask for them. */
  readonly logprobs: TopLogprobs | undefined;
}

/** No token could be chosen: the logits are not numbers. Its tokens are in the sequence all the same. */
export interface SamplingFailure {
  readonly error: EsparseError;
}

/** Facts about what a model is computed on and with, by name. */
export type DeviceFacts = Readonly<Record<string, string | number>>;

/** Where the bytes of a model are. Every decoding step reads those of the linears and of the head. */
export interface WeightBytes {
  /** All that is mapped. A tied head is the embedding. */
  readonly mapped: number;
  /** The blocks' linears as stored: values and indices, or the matrix of one that is not pruned. */
  readonly linears: number;
  /** The permutations, which take memory of their own. */
  readonly permutations: number;
  /** The same linears as 16-bit matrices. */
  readonly denseLinears: number;
  readonly head: number;
}
