import type { BlockLoss, Example } from '@esparse/onnx';
import type { Values } from './backend.ts';

/** What some sequences show of the block. */
export interface Examples {
  /** The mean of their losses. */
  loss(sequences: readonly number[], parameters: Values): Promise<number>;
  /** The same, and the sum of their gradients: the next call writes over it. */
  gradients(
    sequences: readonly number[],
    parameters: Values,
  ): Promise<{ readonly loss: number; readonly gradients: Values }>;
}

export interface ExamplesOptions {
  readonly inputs: (sequence: number) => Promise<Float32Array>;
  readonly targets: (sequence: number) => Promise<Float32Array>;
  readonly signal?: AbortSignal | undefined;
  readonly onSequence?: (() => void) | undefined;
}

/**
 * Runs sequences one after another, so that the activations of one are in memory. Gradients are added up in f32, in the
 * order of the sequences.
 * @param slots of the parameters whose gradients are computed
 */
export function createExamples(
  { inputs, targets, signal, onSequence }: ExamplesOptions,
  { shapes, ...block }: BlockLoss,
  slots: readonly string[],
): Examples {
  const buffers = (): Values =>
    new Map(slots.map((slot) => [slot, new Float32Array(shapes.get(slot)!.reduce((a, b) => a * b, 1))]));
  // Each run adds what the one before left, into the other.
  let [sum, total] = [buffers(), buffers()];
  const read = async (sequence: number): Promise<Example> => {
    signal?.throwIfAborted();
    return { input: await inputs(sequence), target: await targets(sequence) };
  };
  return {
    async loss(sequences, parameters) {
      let loss = 0;
      for (const sequence of sequences) {
        loss += await block.loss(await read(sequence), parameters);
        onSequence?.();
      }
      return loss / sequences.length;
    },
    async gradients(sequences, parameters) {
      let loss = 0;
      for (const gradient of total.values()) gradient.fill(0);
      for (const sequence of sequences) {
        [sum, total] = [total, sum];
        loss += await block.gradients(await read(sequence), parameters, sum, total);
        onSequence?.();
      }
      return { loss: loss / sequences.length, gradients: total };
    },
  };
}
