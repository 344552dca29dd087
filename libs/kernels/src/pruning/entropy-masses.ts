import { rebin } from './entropy-rebin.ts';
import { binsOf, type EntropyHistograms } from './entropy-state.ts';
import { entropyCount } from './entropy.ts';

/** Channels between which others have their turn: one takes some 0.01 ms. */
const CHANNELS_AT_ONCE = 256;

/**
 * How many values of each channel lie in each of `bins` equal bins from its minimum to its maximum: (channels, bins), as
 * `entropyFinish` takes them. All of a channel that is constant is in the first. There is no native version: pictures ask for it,
 * once a block.
 */
export async function entropyMasses(state: EntropyHistograms, bins: number): Promise<Float32Array> {
  entropyCount(state);
  const channels = state.zeros.length;
  const masses = new Float32Array(channels * bins);
  for (let c = 0; c < channels; c++) {
    if (c % CHANNELS_AT_ONCE === CHANNELS_AT_ONCE - 1) await new Promise((resolve) => setImmediate(resolve));
    const [min, max] = [state.ranges[c]!, state.ranges[channels + c]!];
    if (!(min < max)) masses[c * bins] = state.counted;
    else
      masses.set(
        rebin({ bins: binsOf(state, c), zeros: state.zeros[c]!, min, max }, min, max, bins),
        c * bins,
      );
  }
  return masses;
}
