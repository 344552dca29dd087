import { createHash } from 'node:crypto';
import { syntheticSequence, type Activations } from '@esparse/laws';

/** Which activations a fake worker streams. */
export interface TapActivations {
  /** Channels of each tap. */
  readonly taps: Readonly<Record<string, number>>;
  readonly activations: Activations;
  readonly seed: number;
}

/** Which sequence of which tap. */
export interface SequencePlace {
  readonly block: number;
  readonly tap: string;
  readonly shard: number;
  readonly sequence: number;
}

/** The activations of one sequence at one tap: f32 (seqlen, channels), the same at every call. */
export function tapSequence(
  { taps, activations, seed }: TapActivations,
  { block, tap, shard, sequence }: SequencePlace,
  seqlen: number,
): Float32Array {
  const place = createHash('sha256').update(`${seed}/${block}/${tap}/${shard}`).digest().readUInt16LE();
  return syntheticSequence({ channels: taps[tap] ?? 0, seqlen, activations, seed: place }, sequence);
}
