import { createBlockLoss, type Device } from '@esparse/onnx';
import type { OpenTuningBackend } from './backend.ts';
import { createExamples } from './examples.ts';
import { createLearner } from './learner.ts';
import { createRounding } from './round-through.ts';

/**
 * Tuning by ONNX Runtime, on the processor or by WebGPU: a graph computes loss and gradients, sequence by sequence, and Adam steps
 * in f32 on the host.
 * @param device what computes; it stays open. @default the processor
 * @param threads of a run; bits do not depend on it. @default the number of cores
 */
export function onnxTuning({
  device,
  threads,
}: {
  readonly device?: Device | undefined;
  readonly threads?: number | undefined;
} = {}): OpenTuningBackend {
  return (given) => {
    const { description, block, seqlen, relative } = given;
    const learner = createLearner(given.parameters);
    const rounded = createRounding(given.parameters);
    const loss = createBlockLoss(description, {
      ...{ block, seqlen, of: learner.slots, relative, device, threads },
    });
    const examples = createExamples(given, loss, learner.slots);
    return Promise.resolve({
      loss: (sequences) => examples.loss(sequences, rounded(learner.values)),
      async descend(steps, onLoss) {
        for (const [done, { sequences, rate }] of steps.entries()) {
          const found = await examples.gradients(sequences, rounded(learner.values));
          if (!Number.isFinite(found.loss)) return done;
          learner.step(found.gradients, rate, 1 / sequences.length);
          onLoss(found.loss);
        }
        return steps.length;
      },
      keep: learner.keep,
      kept: learner.kept,
      place: learner.place,
      release: () => loss.release(),
    });
  };
}
