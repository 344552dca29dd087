import { EsparseError, isEsparseError } from '@esparse/errors';
import type { ModelDescription } from '@esparse/model';
import type {
  BackendModel,
  DeviceFacts,
  DeviceUsage,
  StepOutputs,
  Want,
  WeightBytes,
} from './backends/backend.ts';
import { createInTurn } from './in-turn.ts';
import { checkStep } from './paging/check-step.ts';
import { SequencePool } from './paging/sequence-pool.ts';
import type { Sequence } from './paging/sequence.ts';
import type { SamplingParams } from './sampling/params.ts';

/** What a step does to one sequence. */
export interface StepPart<W extends Want = Want> {
  readonly sequence: Sequence;
  /** Appended to the sequence, at least one: a piece of its prompt (prefill), or its last token (decode). */
  readonly tokens: Uint32Array;
  readonly want: W;
}

/** What a step gives: for each part what it wants. */
export type StepResults<P extends readonly StepPart[]> = {
  -readonly [I in keyof P]: StepOutputs[P[I]['want']];
};

/** A model that generates, for many sequences at a time. It belongs to the thread that opened it. */
export interface Engine {
  readonly description: ModelDescription;
  /** Fingerprint of the run; undefined for a checkpoint. */
  readonly run: string | undefined;
  /** config.json of the checkpoint, or of the one that the run was made of. */
  readonly config: Readonly<Record<string, unknown>>;
  /**
   * Resolves once every checksum is compared that was to be (see `EngineOptions.verify`).
   *
   * @throws EsparseError 'store' naming what is damaged: what was computed until then means nothing
   */
  readonly verified: Promise<void>;
  /** What it computes on and with. */
  readonly device: DeviceFacts;
  readonly weightBytes: WeightBytes;
  /** The longest sequence. */
  readonly maxContext: number;
  /** The most tokens of a step, over all of its parts. */
  readonly maxStepTokens: number;
  /** Pages of the key-value cache, tokens that fit into each, and bytes of each. */
  readonly pages: number;
  readonly pageTokens: number;
  readonly pageBytes: number;
  /** Why no step will succeed any more: the device is lost, and the process must be started again. */
  failure(): EsparseError | undefined;
  /** How full and how busy its devices are, one after the other. */
  usage(): readonly DeviceUsage[];
  /** Pages that no sequence holds. */
  freePages(): number;
  /** Pages that a sequence of so many tokens takes. */
  pagesFor(tokens: number): number;
  /**
   * Reserves pages for a sequence of up to `tokens`, all at once, so that it can never be stopped half-way for want of
   * memory. `undefined` where not enough are free.
   *
   * @param sampling how its tokens are chosen where a step wants them. @default the most likely one each time
   * @throws EsparseError 'usage' for less than one token or more than `maxContext`, or parameters out of range
   */
  reserve(tokens: number, sampling?: SamplingParams): Sequence | undefined;
  /**
   * Which of its devices holds a sequence. Parts of one device are computed together, and what one of them fails with does
   * not concern the others.
   */
  replicaOf(sequence: Sequence): number;
  /**
   * Appends each part's tokens to its sequence and gives what each part wants. Steps run one after the other, in the order
   * in which they were asked for; logits are valid until the next one begins. What a sequence is given has the same bits
   * alone and in any batch, and however its tokens are cut into steps. After an error no sequence has changed.
   *
   * @param signal ends the wait, and the step where the device can
   * @throws EsparseError 'usage' for a sequence that is released, of another engine, full, or named twice; for no tokens
   * or more than `maxStepTokens`; for a token outside the vocabulary
   */
  step<const P extends readonly StepPart[]>(parts: P, signal?: AbortSignal): Promise<StepResults<P>>;
  /** Releases the weights and the cache once all steps that were asked for have ended; every later one is refused. */
  close(): Promise<void>;
}

/** What is known of an engine's model besides what its backend says. */
export interface EngineModel {
  readonly run: string | undefined;
  readonly description: ModelDescription;
  readonly config: Readonly<Record<string, unknown>>;
  readonly verified: Promise<void>;
  readonly maxContext: number;
  readonly maxStepTokens: number;
  /** Called when the engine has closed. */
  readonly onClose?: (() => Promise<void>) | undefined;
}

/** Makes an engine of a model that a backend has opened; `openEngine` does both. */
export function createEngine(model: BackendModel, about: EngineModel): Engine {
  const { description, maxContext, maxStepTokens } = about;
  const { pages, pageTokens, pageBytes } = model;
  const sequences = new SequencePool(pages, pageTokens);
  const bounds = { sequences, vocab: description.vocab, maxStepTokens };
  let open = true;
  let failure: EsparseError | undefined;
  const inTurn = createInTurn();

  const step = async (parts: readonly StepPart[], signal: AbortSignal | undefined) => {
    signal?.throwIfAborted();
    checkStep(parts, bounds);
    const outputs = await sequences
      .duringStep(() => model.run(parts, signal))
      .catch((error: unknown) => {
        if (isEsparseError(error) && error.context.device === 'lost') failure = error;
        throw error;
      });
    for (const part of parts) part.sequence.append(part);
    return outputs;
  };

  return {
    run: about.run,
    description,
    config: about.config,
    verified: about.verified,
    device: model.device,
    weightBytes: model.weightBytes,
    maxContext,
    maxStepTokens,
    pages,
    pageTokens,
    pageBytes,
    failure: () => failure,
    usage: () => (model.usage === undefined ? [] : [model.usage()]),
    replicaOf: () => 0,
    freePages: () => sequences.free,
    pagesFor: (tokens) => sequences.pagesFor(tokens),
    reserve(tokens, sampling = {}) {
      if (!open) throw closed();
      if (!Number.isInteger(tokens) || tokens < 1 || tokens > maxContext) {
        throw new EsparseError(
          'usage',
          `a sequence of ${tokens} tokens: at least 1 and at most ${maxContext} fit`,
        );
      }
      return sequences.reserve(tokens, sampling);
    },
    step<const P extends readonly StepPart[]>(parts: P, signal?: AbortSignal) {
      const outputs = open ? inTurn(() => step(parts, signal)) : Promise.reject(closed());
      // A backend gives each part what it wants: the seam says so.
      return outputs as Promise<unknown> as Promise<StepResults<P>>;
    },
    async close() {
      if (!open) return;
      open = false;
      await inTurn(async () => {
        await model.close();
        await about.onClose?.();
      });
    },
  };
}

function closed(): EsparseError {
  return new EsparseError('usage', 'the engine has been closed');
}
