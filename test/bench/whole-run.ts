import path from 'node:path';
import {
  calibrationWindows,
  checkpointWeights,
  openCheckpoint,
  openTokenizer,
  readText,
} from '@esparse/checkpoint';
import { describeModel } from '@esparse/model';
import { createBlockRunner, embedTokens } from '@esparse/onnx';
import { esparseJson } from '../support/esparse.ts';
import { heading, print, secondsOf } from './table.ts';

const SEQLEN = 512;

/** A whole `esparse prune --shuffle global` against the two forward passes that it cannot do without. */
export async function benchWholeRun(
  model: string,
  calibration: string,
  samples: number,
  scratch: string,
): Promise<void> {
  heading(`whole prune --shuffle global, ${samples} x ${SEQLEN} tokens`);
  const passes = await secondsOf(() => forwardPasses(model, calibration, samples));
  let report: Record<string, unknown> = {};
  const whole = await secondsOf(async () => {
    report = await esparseJson(
      'prune',
      '--model',
      model,
      '--calibration',
      calibration,
      '--store',
      path.join(scratch, 'whole'),
      '--shuffle',
      'global',
      '--samples',
      String(samples),
      '--seqlen',
      String(SEQLEN),
    );
  });
  for (const [phase, seconds] of Object.entries(report.seconds as Record<string, number>)) {
    print({ name: `  ${phase}`, measured: `${seconds.toFixed(1)} s` });
  }
  print({ name: 'two forward passes alone, in one process', measured: `${passes.toFixed(1)} s` });
  print({ name: 'whole run, processes and all', measured: `${whole.toFixed(1)} s` });
  const ratio = whole / passes;
  print({ name: 'ratio', measured: `${ratio.toFixed(2)} x`, target: '<= 1.5 x', met: ratio <= 1.5 });
}

/** Every block run twice over every window, nothing else: weights dense, nothing streamed, nothing stored. */
async function forwardPasses(model: string, calibration: string, samples: number): Promise<void> {
  const checkpoint = await openCheckpoint(model);
  const description = describeModel(checkpoint.config);
  const weights = checkpointWeights(checkpoint);
  const tokenizer = await openTokenizer(model);
  const tokens = await tokenizer.encode(await readText(calibration), { bos: false });
  tokenizer.close();
  const windows = calibrationWindows(tokens, { samples, seqlen: SEQLEN, seed: 0 });
  const runner = await createBlockRunner(description, { seqlen: SEQLEN });
  const states: Float32Array[] = [];
  for (let s = 0; s < samples; s++) {
    const window = windows.subarray(s * SEQLEN, (s + 1) * SEQLEN);
    states.push(await embedTokens(description, weights, window, SEQLEN));
  }
  for (let block = 0; block < description.blocks; block++) {
    const loaded = await runner.load(block, weights);
    for (const state of states) await loaded.advance(state);
    for (let s = 0; s < samples; s++) states[s] = await loaded.advance(states[s]!);
  }
  await runner.release();
  await checkpoint.close();
}
