import {
  calibrationWindows,
  checkpointWeights,
  openCheckpoint,
  openTokenizer,
  readText,
} from '@esparse/checkpoint';
import { createBlockRunner, describeModel, embedTokens, type TapOutput } from '@esparse/model';
import { amplitude, entropy, entropyOf } from '@esparse/statistics';
import { exactEntropy } from '../support/exact-entropy.ts';
import { heading, median, print, secondsOf } from './table.ts';

const SEQLEN = 512;
const SEQUENCES = 24;
const RUNS = 5;

/** Amplitude and entropy over the activations of a block, all taps: time per element, and distance from the exact entropy. */
export async function benchStatistics(model: string, calibration: string): Promise<void> {
  heading('statistics on the activations of the last block, all taps');
  const taps = await activations(model, calibration);
  const elements = [...taps.values()].flat().reduce((sum, { data }) => sum + data.length, 0);
  const nanoseconds: number[] = [];
  let worst = 0;
  for (let run = 0; run <= RUNS; run++) {
    const states = [...taps].map(([tap, tiles]) => ({
      tiles,
      tap,
      amplitude: amplitude.create(tiles[0]!.channels, {}),
      entropy: entropy.create(tiles[0]!.channels, {}),
    }));
    const seconds = await secondsOf(async () => {
      for (const state of states) {
        for (const tile of state.tiles) {
          await amplitude.update(state.amplitude, tile);
          await entropy.update(state.entropy, tile);
        }
      }
    });
    if (run > 0) nanoseconds.push((seconds * 1e9) / elements);
    if (run === RUNS) {
      for (const { tiles, entropy: state } of states) {
        const online = await entropyOf(state);
        exactEntropy(tiles, 100).forEach((exact, channel) => {
          worst = Math.max(worst, Math.abs(online[channel]! - exact));
        });
      }
    }
  }
  const ns = median(nanoseconds);
  print({
    name: `amplitude and entropy, ${elements} elements`,
    measured: `${ns.toFixed(2)} ns`,
    target: '<= 3 ns an element',
    met: ns <= 3,
  });
  print({
    name: 'largest distance from the exact entropy of a channel',
    measured: `${worst.toFixed(5)} nats`,
    target: '<= 0.02 nats',
    met: worst <= 0.02,
  });
}

/** The taps of the last block over some windows: activations that have gone through the whole model. */
async function activations(model: string, calibration: string): Promise<Map<string, TapOutput[]>> {
  const checkpoint = await openCheckpoint(model);
  const description = describeModel(checkpoint.config);
  const weights = checkpointWeights(checkpoint);
  const tokens = await (await openTokenizer(model)).encode(await readText(calibration), { bos: false });
  const windows = calibrationWindows(tokens, { samples: SEQUENCES, seqlen: SEQLEN, seed: 0 });
  const runner = await createBlockRunner(description, { seqlen: SEQLEN });
  const taps = new Map<string, TapOutput[]>(description.taps.map(({ name }) => [name, []]));
  const states: Float32Array[] = [];
  for (let s = 0; s < SEQUENCES; s++) {
    states.push(await embedTokens(description, weights, windows.subarray(s * SEQLEN, (s + 1) * SEQLEN)));
  }
  for (let block = 0; block < description.blocks; block++) {
    const loaded = await runner.load(block, weights);
    const last = block === description.blocks - 1;
    for (let s = 0; s < SEQUENCES; s++) {
      if (last) for (const output of await loaded.taps(states[s]!)) taps.get(output.tap)!.push(output);
      else states[s] = await loaded.advance(states[s]!);
    }
  }
  await runner.release();
  await checkpoint.close();
  return taps;
}
