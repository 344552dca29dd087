import { channelHistograms, entropy, HISTOGRAM_BINS } from './index.ts';

test('a histogram has the shape of its channel between its least and its greatest value', async () => {
  const [rows, channels] = [4096, 2];
  // The first channel is spread evenly; of the second half is zero, and the rest at its ends.
  const data = Float32Array.from({ length: rows * channels }, (_, i) => {
    const row = Math.floor(i / channels);
    if (i % channels === 0) return (row * 31) % rows;
    return row % 2 === 0 ? 0 : row % 4 === 1 ? -1 : 1;
  });
  const state = entropy.create(channels, {});
  await entropy.update(state, { data, rows, channels });
  const { shares, ranges } = await channelHistograms.read(state, { sequences: 1 });
  expect([...ranges]).toEqual([0, -1, rows - 1, 1]);
  for (const share of shares.subarray(0, HISTOGRAM_BINS)) expect(share / 65535).toBeGreaterThan(0.9);
  const second = Array.from(shares.subarray(HISTOGRAM_BINS), (share) => Math.round((2 * share) / 65535) / 2);
  expect(second.map((share, bin) => [bin, share]).filter(([, share]) => share !== 0)).toEqual([
    [0, 0.5],
    [HISTOGRAM_BINS / 2, 1],
    [HISTOGRAM_BINS - 1, 0.5],
  ]);
});

test('of a constant channel everything is in one bin', async () => {
  const state = entropy.create(1, {});
  await entropy.update(state, { data: new Float32Array(9).fill(3), rows: 9, channels: 1 });
  const { shares } = await channelHistograms.read(state, { sequences: 1 });
  expect([...shares].filter((share) => share > 0)).toEqual([65535]);
});
