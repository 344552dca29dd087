import type { WeightSource } from '@esparse/checkpoint';

/** The activations of one tap over one sequence, or of several one after the other: (rows x channels), row-major. */
export interface TapOutput {
  readonly tap: string;
  /** All tokens or, of an expert, those that are routed there: maybe none. */
  readonly rows: number;
  readonly channels: number;
  readonly data: Float32Array;
}

/** Which activations of a block. */
export interface TapOptions {
  /** Names of taps. Experts that have none of them are not read. @default all */
  readonly taps?: readonly string[] | undefined;
  /** Sends all tokens to every expert, instead of those that are routed there. @default false */
  readonly allTokens?: boolean | undefined;
  /**
   * Hidden states, (seqlen x hidden), whose tokens decide where these are sent: so that the rows of an expert are the same
   * in two models. @default these themselves
   */
  readonly routedBy?: Float32Array | undefined;
}

/** A tap in the memory of a GPU: (rows x channels), row-major. */
export interface DeviceTap {
  readonly address: number;
  readonly type: 'f32' | 'bf16';
  readonly rows: number;
  readonly channels: number;
  /** Rows of each sequence. */
  readonly seqlen: number;
}

/** Hidden states: f32 or, for a runner that computes in it, bf16 as its bits. */
export type HiddenValues = Float32Array | Uint16Array;

/** Hidden states that lie in the memory of a GPU, in bf16. */
export interface DeviceStates {
  readonly address: number;
  /** How many values. */
  readonly length: number;
}

/** Whether they are f32. Not by `instanceof`, which fails across realms. */
export function areF32(values: HiddenValues): values is Float32Array {
  return values.BYTES_PER_ELEMENT === 4;
}

/** One block with its weights in memory, but those of its experts, the device's where there is one. */
export interface LoadedBlock {
  /** The inputs of the block's linears, in the order of the description's taps. `hidden` is (seqlen x hidden). */
  taps(hidden: HiddenValues, options?: TapOptions): Promise<TapOutput[]>;
  /**
   * Shows taps where they are, in the memory of a GPU, instead of bringing them to the host: each as soon as it is made, and for
   * the length of the call. @default there is no such memory
   */
  readonly show?: (
    hidden: HiddenValues | DeviceStates,
    visits: ReadonlyMap<string, (tap: DeviceTap) => void>,
  ) => Promise<void>;
  /** The block's output, (seqlen x hidden). `hidden` is left as it is. */
  advance(hidden: Float32Array): Promise<Float32Array>;
  /** The same in bf16. @default the runner does not compute in it */
  readonly advanceRounded?: (
    hidden: Uint16Array | DeviceStates,
    options?: AdvanceOptions,
  ) => Promise<Uint16Array>;
  /** Gives the device's memory back: the block can no longer run. On the CPU, dropping it is enough. */
  release(): Promise<void>;
}

/** What becomes of a block's output in bf16. */
export interface AdvanceOptions {
  /** Where it is to be put, if that is as long. @default new memory */
  readonly into?: Uint16Array | undefined;
  /** Is shown it where it was made, for the length of the call. */
  readonly visit?: (states: DeviceStates) => void;
  /** Whether it is shown there alone, and does not come to the host: what is given back holds nothing then. @default false */
  readonly stays?: boolean;
}

/** Runs the blocks of one model, any of them. */
export interface BlockRunner {
  /** Names the arithmetic: see `numericsId`. */
  readonly numerics: string;
  /**
   * Reads a block's weights as f32. Only what is loaded and not dropped is held.
   * @throws EsparseError 'usage' where there is no such block, 'checkpoint' where a tensor has another size
   */
  load(block: number, weights: WeightSource, signal?: AbortSignal): Promise<LoadedBlock>;
  /** Frees the sessions and what was loaded, which can no longer run. */
  release(): Promise<void>;
}
