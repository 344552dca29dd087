import {
  calibrationWindows,
  checkpointWeights,
  openCheckpoint,
  openTokenizer,
  readText,
} from '@esparse/checkpoint';
import { describeModel } from '@esparse/model';
import { createBlockRunner, embedTokens, type TapOutput } from '@esparse/onnx';
import { amplitude, entropy, entropyOf, type EntropyState } from '@esparse/statistics';
import { exactEntropy } from '../support/exact-entropy.ts';
import { heading, median, print, secondsOf } from './table.ts';

const SEQLEN = 512;
/** As many as `esparse prune` takes by default: making the states is shared by all of them. */
const SEQUENCES = 128;
const RUNS = 5;

/** The taps of one block: for each its tiles, one a sequence. */
type Taps = ReadonlyMap<string, TapOutput[]>;

/** Amplitude and entropy over a model's activations, all taps: time per element, and distance from the exact entropy. */
export async function benchStatistics(model: string, calibration: string): Promise<void> {
  heading('statistics on the activations of the first and the last block, all taps');
  const [first, last] = await activations(model, calibration);
  const elements = [...last.values()].flat().reduce((sum, { data }) => sum + data.length, 0);
  const nanoseconds: number[] = [];
  for (let run = 0; run <= RUNS; run++) {
    const seconds = await secondsOf(() => gather(last));
    if (run > 0) nanoseconds.push((seconds * 1e9) / elements);
  }
  const ns = median(nanoseconds);
  print({
    name: `amplitude and entropy, last block, ${elements} elements`,
    measured: `${ns.toFixed(2)} ns`,
    target: '<= 3 ns an element',
    met: ns <= 3,
  });
  for (const [name, taps] of [
    ['first', first],
    ['last', last],
  ] as const) {
    const worst = await distance(taps);
    print({
      name: `largest distance from the exact entropy of a channel, ${name} block`,
      measured: `${worst.toFixed(5)} nats`,
      target: '<= 0.02 nats',
      met: worst <= 0.02,
    });
  }
}

async function gather(taps: Taps): Promise<Map<string, EntropyState>> {
  const states = new Map<string, EntropyState>();
  for (const [tap, tiles] of taps) {
    const squares = amplitude.create(tiles[0]!.channels, {});
    const histograms = entropy.create(tiles[0]!.channels, {});
    for (const tile of tiles) {
      // Both at once, as the operator asks for them.
      await Promise.all([amplitude.update(squares, tile), entropy.update(histograms, tile)]);
    }
    states.set(tap, histograms);
  }
  return states;
}

/** The largest distance of a channel's online entropy from its exact one, in nats. */
async function distance(taps: Taps): Promise<number> {
  let worst = 0;
  for (const [tap, state] of await gather(taps)) {
    const online = await entropyOf(state);
    exactEntropy(taps.get(tap)!, 100).forEach((exact, channel) => {
      worst = Math.max(worst, Math.abs(online[channel]! - exact));
    });
  }
  return worst;
}

/**
 * The taps of the first and of the last block over some windows. At the first, a token's value is the same wherever it
 * stands: masses at points, the hard case for a histogram. At the last, activations have gone through the whole model.
 */
async function activations(model: string, calibration: string): Promise<readonly [first: Taps, last: Taps]> {
  const checkpoint = await openCheckpoint(model);
  const description = describeModel(checkpoint.config);
  const weights = checkpointWeights(checkpoint);
  const tokenizer = await openTokenizer(model);
  const tokens = await tokenizer.encode(await readText(calibration), { bos: false });
  tokenizer.close();
  const windows = calibrationWindows(tokens, { samples: SEQUENCES, seqlen: SEQLEN, seed: 0 });
  const runner = await createBlockRunner(description, { seqlen: SEQLEN });
  const emptyTaps = () => new Map<string, TapOutput[]>(description.taps.map(({ name }) => [name, []]));
  const [first, last] = [emptyTaps(), emptyTaps()];
  const states: Float32Array[] = [];
  for (let s = 0; s < SEQUENCES; s++) {
    const window = windows.subarray(s * SEQLEN, (s + 1) * SEQLEN);
    states.push(await embedTokens(description, weights, window, SEQLEN));
  }
  for (let block = 0; block < description.blocks; block++) {
    const loaded = await runner.load(block, weights);
    const kept = block === 0 ? first : block === description.blocks - 1 ? last : undefined;
    for (let s = 0; s < SEQUENCES; s++) {
      if (kept !== undefined)
        for (const output of await loaded.taps(states[s]!)) kept.get(output.tap)!.push(output);
      states[s] = await loaded.advance(states[s]!);
    }
  }
  await runner.release();
  await checkpoint.close();
  return [first, last];
}
