import { statisticLaws, uniform } from '@esparse/laws';
import { createMatrixProducts, type MatrixProducts } from '@esparse/onnx';
import { driftStatistic } from './drift.ts';
import { PANEL } from './panels.ts';
import type { ProductState } from './product-sums.ts';
import { createSpill, type Spill } from './spill.ts';

let products: MatrixProducts;
const spills: Spill[] = [];
beforeAll(async () => {
  products = await createMatrixProducts({ threads: 1 });
});
afterAll(async () => {
  await products.release();
  for (const spill of spills) await spill.close();
});

function statisticOf(memory: number) {
  const spill = createSpill({ memory });
  spills.push(spill);
  const resources = { products: () => Promise.resolve(products), spill, waiting: { bytes: 0 } };
  return { spill, resources, statistic: driftStatistic(resources) };
}
const { statistic } = statisticOf(2 ** 30);

const ROWS = 6;

/** A sequence of rows, and of the dense model's. */
function sequenceOf(channels: number, seed: number) {
  const random = uniform(seed, -0.5, 0.5);
  const data = Float32Array.from({ length: ROWS * channels }, random);
  const dense = data.map((value) => value + 0.1 * random());
  return { data, dense, rows: ROWS, channels, endsSequence: true };
}

const matrixOf = async (state: ProductState, of = statistic) => (await of.finish(state)).dense();

test('it is the sum of the outer products of a row’s drift and the row', async () => {
  const channels = 5;
  const state = statistic.create(channels, {});
  const sequences = [1, 2, 3].map((seed) => sequenceOf(channels, seed));
  for (const sequence of sequences) await statistic.update(state, sequence);
  const found = await matrixOf(state);
  for (let i = 0; i < channels; i++) {
    for (let j = 0; j < channels; j++) {
      let expected = 0;
      for (const { data, dense } of sequences)
        for (let at = 0; at < data.length; at += channels)
          expected += (dense[at + i]! - data[at + i]!) * data[at + j]!;
      expect(found[i * channels + j]).toBeCloseTo(expected, 5);
    }
  }
});

test('the bits do not depend on the order of the sequences, on their tiles, or on how states are merged', async () => {
  expect(statistic.needsDense).toBe(true);
  await statisticLaws(statistic, { unit: 'sequence', read: (state) => matrixOf(state), runs: 30 });
});

test('where both models are the same there is no matrix, and no room is taken', async () => {
  const { statistic: of, spill } = statisticOf(2 ** 20);
  const state = of.create(3, {});
  const same = { ...sequenceOf(3, 1), dense: undefined };
  await of.update(state, { ...same, endsSequence: false });
  await expect(of.finish(state)).rejects.toThrow('has not ended');
  const whole = of.create(3, {});
  await of.update(whole, same);
  await of.merge(whole, of.create(3, {}));
  expect(await of.finishDrift(whole)).toBeUndefined();
  expect(whole).toMatchObject({ tokens: ROWS, sequences: 1 });
  expect(spill.used()).toEqual({ memory: 0, file: 0 });
});

test('a wide tap has the same bits in memory and in a file, and gives all its room back', async () => {
  const wide = PANEL + 24;
  const found: Float32Array[] = [];
  for (const memory of [2 ** 30, 20 * 2 ** 20, 0]) {
    const { statistic: of, spill, resources } = statisticOf(memory);
    const states = [of.create(wide, {}), of.create(wide, {})] as const;
    for (const [i, state] of states.entries()) {
      await of.update(state, sequenceOf(wide, i));
      await of.settle(state);
    }
    await of.update(states[1], sequenceOf(wide, 2));
    expect(resources.waiting.bytes).toBe(2 * 4 * ROWS * wide);
    expect(spill.used().file > 0).toBe(memory < 2 ** 30);
    await of.merge(states[0], states[1]);
    const matrix = (await of.finishDrift(states[0]))!;
    expect(resources.waiting.bytes).toBe(0);
    found.push(await matrix.dense());
    const row = new Float32Array(wide).fill(0);
    row[PANEL + 1] = 1;
    const image = new Float32Array(wide);
    await matrix.multiply(row, 1, image);
    expect(
      Buffer.compare(bytesOf(image), bytesOf(found[0]!.slice((PANEL + 1) * wide, (PANEL + 2) * wide))),
    ).toBe(0);
    matrix.release();
    expect(spill.used()).toEqual({ memory: 0, file: 0 });
  }
  for (const other of found.slice(1)) expect(Buffer.compare(bytesOf(other), bytesOf(found[0]!))).toBe(0);
});

test('rows of the dense model of another size, or that no sum can hold, are refused', async () => {
  const state = statistic.create(3, {});
  const tile = sequenceOf(3, 1);
  await expect(statistic.update(state, { ...tile, dense: tile.dense.slice(3) })).rejects.toMatchObject({
    kind: 'protocol',
  });
  tile.dense[4] = NaN;
  await expect(statistic.update(state, tile)).rejects.toMatchObject({
    kind: 'numeric',
    context: { channel: 1 },
  });
  expect(state).toMatchObject({ tokens: 0, sequences: 0 });
});

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
