import { EsparseError } from '@esparse/errors';
import { calling, loadAddon, type Histories, type NativeDecoder, type NativeWants } from './addon.ts';
import {
  choiceBytes,
  hasPenalties,
  readReport,
  REPORT_BYTES,
  type TokenChoice,
  type TokenReport,
} from './choices.ts';
import { deviceEncoding, requireRunnable, type DeviceBits } from './limits.ts';
import { decodeModules, prefillModules, readPtx, type KernelImage } from './read-ptx.ts';
import { nativeShape, type DecoderShape } from './shape.ts';

/** The linears of a block, in the order in which `block` takes them; without a gate, what is before down is `gate`. */
export const DECODER_LINEARS = ['q', 'k', 'v', 'o', 'gate', 'up', 'down'] as const;

interface LinearShape {
  readonly rows: number;
  readonly cols: number;
  /** 2:4; without, all weights are there. */
  readonly indices?: Uint8Array | undefined;
  /** 2:4: the channel at each place of the shuffled order. @default the natural order */
  readonly permutation?: Int32Array | undefined;
}

/** Weights in bf16: 2:4 as the store has it (index-v1), or, without indices, dense rows. */
export interface Bf16Linear extends LinearShape {
  readonly values: Uint16Array;
}

/** Weights as integers with scales, as the store has them (quantized-v1), 2:4 or dense: see `deviceEncoding` for which. */
export interface IntegerLinear extends LinearShape {
  readonly bits: DeviceBits;
  /** Groups that share a scale. */
  readonly span: number;
  /** The codes. */
  readonly values: Uint8Array;
  /** bf16. */
  readonly scales: Uint16Array;
}

/** A linear's weights. */
export type StoredLinear = Bf16Linear | IntegerLinear;

/** What a GPU says of itself. */
export interface CommonFacts {
  readonly name: string;
  /** 1000 * major + 10 * minor: the newest CUDA that the driver serves. */
  readonly driverVersion: number;
  /** Compute capability. */
  readonly major: number;
  readonly minor: number;
  readonly multiprocessors: number;
  /** Of its memory. */
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** What is known of a GPU that serves; `freeBytes` are those of when it was opened. */
export interface GpuFacts extends CommonFacts {
  /** Bytes that it can read from its memory in a second, by clock and width; 0 where the driver does not tell. */
  readonly readBandwidth: number;
  /** Which kernels it runs, of those of decoding. */
  readonly image: KernelImage;
}

/** What a GPU holds, and what it has run. */
export interface GpuUsage {
  /** Bytes of its memory since it was opened; of other processes too, where they took some meanwhile. */
  readonly memoryUsed: number;
  /** Graphs of kernels that there are, and how often one was launched, by the tokens that it is for. */
  readonly graphs: number;
  readonly launches: Readonly<Record<number, number>>;
}

/** The weights outside of the blocks. */
export interface OuterWeights {
  /** (vocab x hidden), dense. */
  readonly embedding: StoredLinear;
  /** (vocab x hidden), dense. @default the embedding: a tied head */
  readonly head: StoredLinear | undefined;
  /** (hidden), of the norm before the head. */
  readonly norm: Float32Array;
  /** (hidden), what it adds, where it is a layer norm. */
  readonly shift?: Float32Array | undefined;
  /** (positions x hidden), bf16: what is added to the rows of the embedding, for all positions that there may be. @default nothing */
  readonly positions?: Uint16Array | undefined;
  /** (positions x headDim / 2), each: cosines and sines, one table or several; each block names its own. */
  readonly rotary: readonly { readonly cos: Float32Array; readonly sin: Float32Array }[];
  /**
   * The row of q, of k and of v that stands at each place on the device, -1 where it fills up (heads * deviceHeadDim(headDim)
   * each). @default as stored
   */
  readonly rows?: readonly [q: Int32Array, k: Int32Array, v: Int32Array | undefined] | undefined;
}

/** What attention, or an MLP, has beside its linears; all (hidden). */
export interface PartVectors {
  /** Of the norm before it. */
  readonly before?: Float32Array | undefined;
  /** What that adds, where it is a layer norm. */
  readonly shift?: Float32Array | undefined;
  /** Of its last linear. */
  readonly bias?: Float32Array | undefined;
  /** Of the norm behind it. */
  readonly after?: Float32Array | undefined;
}

/** What a block has beside its linears. Of heads: in the order, and of the size, that they have on the device. */
export interface BlockParts {
  readonly attention: PartVectors;
  readonly mlp: PartVectors;
  /** Biases of q, k and v, one after the other. @default none */
  readonly bias?: Float32Array | undefined;
  /** Biases of gate and up, one after the other, or of the only linear before down (inner each). @default none */
  readonly innerBias?: Float32Array | undefined;
  /** Of the norms that q, and k, pass before they are rotated: of one head, or of all. @default none */
  readonly query?: Float32Array | undefined;
  readonly key?: Float32Array | undefined;
  /** (heads): of each head's sink in the softmax. @default none */
  readonly sinks?: Float32Array | undefined;
  /** (experts x hidden), of a mixture, and what it adds (experts). */
  readonly router?: Float32Array | undefined;
  readonly routerBias?: Float32Array | undefined;
  /** A token attends to so many positions, its own among them. @default all before it */
  readonly window?: number | undefined;
  /** Which table of `OuterWeights.rotary` turns q and k. @default the first */
  readonly rotary?: number | undefined;
}

/** Biases of an expert: of gate and up, one after the other (inner each), and of down (hidden). */
export interface ExpertBiases {
  readonly inner: Float32Array | undefined;
  readonly down: Float32Array | undefined;
}

/** Positions of a page of the key-value cache. */
export const PAGE_POSITIONS = 64;
/** Tokens of one run, at most. */
export const MAX_ROWS = 64;

/** The tokens of one run: `MAX_ROWS` ids, positions and numbers of sequences, and for each row the pages of its sequence. */
export interface RunInputs {
  /** [MAX_ROWS ids][MAX_ROWS positions][MAX_ROWS sequences][MAX_ROWS][maxPages] */
  readonly values: Int32Array;
  readonly maxPages: number;
}

/** What is wanted of the rows of a run. */
export interface RunWants {
  /** A sequence has several tokens among them, in order. */
  readonly several: boolean;
  /** Logits are wanted of one of them, */
  readonly head: boolean;
  /** but only tokens that the device chooses: the likeliest, or as `choices` say, */
  readonly likeliest: boolean;
  /**
   * and every sequence has room for another token. Then the device begins the step after this one by itself, each row with
   * the token that it chose: where the next run asks for such rows, they are done or nearly so.
   */
  readonly continues: boolean;
  /** How each row's token is chosen. @default all are the likeliest */
  readonly choices?: readonly TokenChoice[] | undefined;
}

/** What `chosen` gives where there is no token. */
export const NOT_NUMBERS = -1;
/** What `chosen` gives where too many candidates would have to be ranked: the processor is to choose. */
export const LEFT_TO_HOST = -2;

/** Consecutive tokens of one prompt. */
export interface PromptPart {
  readonly tokens: Uint32Array;
  /** Of the first token, in its sequence. */
  readonly position: number;
  /** Of its sequence, in order. */
  readonly pages: Int32Array;
}

/**
 * A decoder on a GPU. It is given its weights (`outer`, every `block`, `finish`), and then runs up to `MAX_ROWS` tokens at
 * a time. Calls block; they may come from one thread at a time.
 */
export class CudaDecoder {
  readonly facts: GpuFacts;
  readonly #native: NativeDecoder;
  #prefills = false;

  /** @throws EsparseError 'unsupported' where there is no driver, or no GPU that the kernels run on; 'usage' for its number */
  constructor(ordinal: number) {
    const { CudaDecoder: Native } = loadAddon();
    this.#native = calling(() => new Native(ordinal));
    this.facts = calling(() => this.#native.facts());
  }

  /**
   * Begins to load a model, for sequences of up to so many pages.
   *
   * @param weightBytes what its weights take on the device, and what loading takes besides
   * @param promptTokens the most tokens of a `prefill`
   * @param bits of the integers among its weights: their kernels are loaded
   * @throws EsparseError 'unsupported' for a shape, or integers, that the kernels of this GPU do not have, or a GPU with too little
   * memory; 'unavailable' where others hold it
   */
  begin(
    shape: DecoderShape,
    maxPages: number,
    weightBytes: number,
    promptTokens: number,
    bits: ReadonlySet<DeviceBits>,
  ): void {
    const { image } = this.facts;
    requireRunnable(shape, image);
    const integers = [...bits].map((of) => `int${of}`);
    const decoding = decodeModules(this.facts, integers);
    const prefill = prefillModules(this.facts, integers);
    calling(() => {
      const all = [decoding.map(readPtx), prefill.map(readPtx)] as const;
      this.#prefills = this.#native.begin(nativeShape(shape), maxPages, all, weightBytes, promptTokens);
    });
  }

  /** Whether the model's prompts are taken in by kernels of their own (see `prefill`), where there are such. */
  get prefills(): boolean {
    return this.#prefills;
  }

  outer({ rotary, ...others }: OuterWeights): void {
    const count = rotary[0]!.cos.length;
    const turns = new Float32Array(rotary.length * count * 2);
    for (const [table, { cos, sin }] of rotary.entries()) {
      for (let i = 0; i < count; i++) {
        turns[2 * (table * count + i)] = cos[i]!;
        turns[2 * (table * count + i) + 1] = sin[i]!;
      }
    }
    calling(() => {
      this.#native.outer({ ...others, rotary: turns, tables: rotary.length });
    });
  }

  /**
   * @param linears by the order of `DECODER_LINEARS`, `up` undefined without a gate, and all of the MLP's of a mixture; q, k and
   * v are of one encoding, as are gate and up
   */
  block(index: number, parts: BlockParts, linears: readonly (StoredLinear | undefined)[]): void {
    const kinds = linears.map((linear) => linear && kindOf(linear));
    if (kinds[0] !== kinds[1] || kinds[0] !== kinds[2] || (kinds[5] ?? kinds[4]) !== kinds[4]) {
      throw new EsparseError('internal', 'linears that are read together are of one encoding');
    }
    calling(() => {
      this.#native.block(index, parts, linears);
    });
  }

  /** An expert of a block that has been given, one after the other, in bf16: gates and ups are all 2:4 or all dense, and so are downs. */
  expert(block: number, expert: number, linears: readonly StoredLinear[], biases: ExpertBiases): void {
    if (linears.some((linear) => 'bits' in linear)) throw new EsparseError('internal', 'experts are bf16');
    calling(() => {
      this.#native.expert(block, expert, linears, biases);
    });
  }

  /**
   * Ends the loading, and makes the key-value cache.
   *
   * @param cacheBytes the most that it may take. @default nine tenths of what memory is left
   * @throws EsparseError 'store' naming the block and linear whose indices are no choice of 2 of 4, or whose scale is
   * zero or not finite; 'usage' for a cache that does not fit
   */
  finish(cacheBytes = 0): { readonly pages: number; readonly pageBytes: number } {
    return calling(() => this.#native.finish(cacheBytes));
  }

  /**
   * Begins to run some tokens: what they give is there after `wait`.
   *
   * @throws EsparseError 'unavailable' where the device is lost
   */
  run({ values }: RunInputs, rows: number, wants: RunWants): void {
    calling(() => {
      this.#native.run(values, rows, ...nativeWants(wants));
    });
  }

  /**
   * Begins to take in pieces of prompts by the kernels of prefill; their tokens are rows, one part after the
   * other. Only where `prefills`.
   *
   * @throws EsparseError 'unavailable' where the device is lost
   */
  prefill(parts: readonly PromptPart[]): void {
    calling(() => {
      this.#native.prefill(parts);
    });
  }

  /** The head of up to `MAX_ROWS` rows of the last prefill: `chosen(i)` and `logits(i)` are of `rows[i]`. */
  head(rows: Int32Array, wants: RunWants): void {
    calling(() => {
      this.#native.head(rows, ...nativeWants(wants));
    });
  }

  /**
   * Waits for what was begun.
   *
   * @throws EsparseError 'unavailable' where the device is lost
   */
  wait(): void {
    calling(() => {
      this.#native.wait();
    });
  }

  usage(): GpuUsage {
    return calling(() => this.#native.usage());
  }

  /**
   * The token that the device chose: the one with the greatest logit, the lowest of equal ones, or what the row's choice
   * says. `NOT_NUMBERS` where the greatest is not a finite number, or `LEFT_TO_HOST`.
   */
  chosen(row: number): number {
    return calling(() => this.#native.chosen(row));
  }

  /** Log-probabilities of a row's token, and of the `count` likeliest ones, where its choice reports them. */
  report(row: number, count: number): TokenReport {
    const bytes = new Uint8Array(REPORT_BYTES);
    calling(() => {
      this.#native.report(row, bytes);
    });
    return readReport(bytes, 0, count);
  }

  /** Copies a row's logits (vocab); not after a run whose tokens the device chose. */
  logits(row: number, out: Float32Array): void {
    calling(() => {
      this.#native.logits(row, out);
    });
  }

  /** Frees the device's memory. */
  close(): void {
    this.#native.close();
  }
}

/** What the device has a linear as. */
function kindOf(linear: StoredLinear): string | undefined {
  const { cols, indices } = linear;
  const pattern = indices === undefined ? { keep: 1, group: 1 } : { keep: 2, group: 4 };
  return deviceEncoding({ cols, ...pattern, ...('bits' in linear ? linear : {}) });
}

function nativeWants({
  choices,
  ...wants
}: RunWants): [NativeWants, choices?: Uint8Array, histories?: Histories] {
  if (choices === undefined) return [{ ...wants, samples: false, penalties: false, reports: false }];
  const reports = choices.some((choice) => choice.reports);
  const penalties = choices.some(hasPenalties);
  const histories = choices.map(({ history }) => history?.tokens);
  return [{ ...wants, samples: true, penalties, reports }, choiceBytes(choices), histories];
}
