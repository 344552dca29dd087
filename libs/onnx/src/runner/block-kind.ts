import type { WeightSource } from '@esparse/checkpoint';
import {
  BLOCK_INPUT,
  BLOCK_OUTPUT,
  ofKind,
  type ModelDescription,
  type TapOptions,
  type TapOutput,
} from '@esparse/model';
import type { Value } from '../device/session.ts';
import { blockPart } from '../graph/model-parts.ts';
import { lazySession, type LazySessionOptions, type Parameters } from './part-session.ts';

/** Runs the blocks of one kind. */
export interface BlockKind {
  taps(hidden: Value, block: HeldBlock, options?: TapOptions): Promise<TapOutput[]>;
  /** The block's output, (seqlen x hidden). */
  advance(hidden: Value, block: HeldBlock): Promise<Float32Array>;
  release(): Promise<void>;
}

/** A block in memory, and where the weights of its experts are. */
export interface HeldBlock {
  readonly block: number;
  /** All of it but the experts' own. */
  readonly parameters: Parameters;
  readonly weights: WeightSource;
  readonly signal: AbortSignal | undefined;
}

/** Of which model, and how it is computed. */
export interface BlockKindOptions extends Pick<LazySessionOptions, 'device' | 'threads'> {
  readonly description: ModelDescription;
  /** Index in the program's `blocks`. */
  readonly kind: number;
  readonly seqlen: number;
}

/** Blocks without experts: one graph for the taps, and one for the output. */
export function wholeBlockKind({ description, kind, seqlen, device, threads }: BlockKindOptions): BlockKind {
  const part = blockPart(description, kind);
  const specs = ofKind(description.taps, kind);
  const shared = { part, rows: seqlen, device, threads };
  const taps = lazySession({ ...shared, values: specs.map(({ name }) => name) });
  const output = lazySession({ ...shared, values: [BLOCK_OUTPUT] });
  return {
    async taps(hidden, { parameters }, { taps: wanted = [] } = {}) {
      const values = await taps.run(new Map([[BLOCK_INPUT, hidden]]), parameters);
      return specs
        .filter(({ name }) => wanted.length === 0 || wanted.includes(name))
        .map(({ name, channels }) => ({ tap: name, rows: seqlen, channels, data: values.get(name)!.data }));
    },
    async advance(hidden, { parameters }) {
      const values = await output.run(new Map([[BLOCK_INPUT, hidden]]), parameters);
      return values.get(BLOCK_OUTPUT)!.data;
    },
    async release() {
      await Promise.all([taps.release(), output.release()]);
    },
  };
}
