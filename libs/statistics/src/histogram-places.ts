import { ENTROPY_WORDS } from '@esparse/kernels';

/** What memory of a device begins at a multiple of. */
const ALIGNMENT = 256;

/**
 * Where ranges, zeros and bins of so many channels lie in a device's memory: in one piece, which another process opens at once. See
 * `EntropyHistograms` for what they are.
 */
export function histogramPlaces(channels: number) {
  const behind = (place: number, bytes: number) => ALIGNMENT * Math.ceil((place + bytes) / ALIGNMENT);
  const zeros = behind(0, 8 * channels);
  const bins = behind(zeros, 4 * channels);
  return { ranges: 0, zeros, bins, bytes: bins + 4 * ENTROPY_WORDS * channels };
}
