import type { BlockLoss, Example } from '@esparse/onnx';
import type { Values } from './learner.ts';

/** Means over some sequences. */
export interface Examples {
  loss(sequences: readonly number[], parameters: Values): Promise<number>;
  /** The gradients are those of the last call: the next one writes over them. */
  gradients(
    sequences: readonly number[],
    parameters: Values,
  ): Promise<{ readonly loss: number; readonly gradients: Values }>;
}

export interface ExamplesOptions {
  readonly inputs: (sequence: number) => Promise<Float32Array>;
  readonly targets: (sequence: number) => Promise<Float32Array>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs sequences one after another, so that the activations of one are in memory. Gradients are added up in f32, in the
 * order of the sequences.
 * @param slots of the parameters whose gradients are computed
 */
export function createExamples(
  { inputs, targets, signal }: ExamplesOptions,
  { shapes, ...block }: BlockLoss,
  slots: readonly string[],
): Examples {
  const buffers = (): Values =>
    new Map(slots.map((slot) => [slot, new Float32Array(shapes.get(slot)!.reduce((a, b) => a * b, 1))]));
  const [sums, parts] = [buffers(), buffers()];
  const read = async (sequence: number): Promise<Example> => {
    signal?.throwIfAborted();
    return { input: await inputs(sequence), target: await targets(sequence) };
  };
  return {
    async loss(sequences, parameters) {
      let sum = 0;
      for (const sequence of sequences) sum += await block.loss(await read(sequence), parameters);
      return sum / sequences.length;
    },
    async gradients(sequences, parameters) {
      let sum = 0;
      for (const [i, sequence] of sequences.entries()) {
        sum += await block.gradients(await read(sequence), parameters, i === 0 ? sums : parts);
        if (i > 0) for (const [slot, total] of sums) add(total, parts.get(slot)!);
      }
      for (const total of sums.values()) multiply(total, 1 / sequences.length);
      return { loss: sum / sequences.length, gradients: sums };
    },
  };
}

function add(sum: Float32Array, values: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i]! += values[i]!;
}

function multiply(values: Float32Array, factor: number): void {
  for (let i = 0; i < values.length; i++) values[i]! *= factor;
}
