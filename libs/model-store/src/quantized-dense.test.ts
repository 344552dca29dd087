import { bytesOf } from '@esparse/checkpoint';
import { narrow, widenReference } from '@esparse/kernels';
import { uniform } from '@esparse/laws';
import { packQuantized, roundLinear } from '@esparse/sparsity';
import { MemoryObjectStore } from '@esparse/storage';
import { createOrOpenStore } from '@esparse/store';
import { integersFit, readLinear, writeQuantizedDense } from './index.ts';

/** Two pieces, the last one no whole tiles. */
const [ROWS, COLS] = [1111, 2000];
const random = uniform(11);
const halves = narrow(
  'bf16',
  Float32Array.from({ length: ROWS * COLS }, () => random() - 0.5),
);

/** A checkpoint of one matrix. */
const matrixOf = (bits: Uint16Array) => ({
  tensor: 'table',
  checkpoint: {
    info: () => ({ name: 'table', dtype: 'BF16' as const, shape: [ROWS, COLS] }),
    read: () => Promise.resolve(bytesOf(bits)),
  } as unknown as Parameters<typeof integersFit>[0]['checkpoint'],
});

async function begun() {
  const writer = await (await createOrOpenStore(new MemoryObjectStore())).beginRun('0123456789abcdef', {});
  return { writer, group: writer.beginDense() };
}

test('a matrix that is rounded piece by piece has the numbers of the whole, with other values those of these', async () => {
  const weights = widenReference('bf16', halves);
  const others = weights.map((weight) => 0.75 * weight);
  for (const values of [undefined, others]) {
    const { writer, group } = await begun();
    const matrix = { ...matrixOf(halves), values };
    expect(await writeQuantizedDense(group, 'table', matrix, { bits: 8 })).toBeUndefined();
    await group.commit({});
    const shape = { rows: ROWS, cols: COLS };
    const whole = roundLinear({ weights: values ?? weights, ...shape }, { bits: 8 });
    const expected = await packQuantized(whole, shape);
    const found = await readLinear(await writer.run.dense(), 'table');
    expect(found).toMatchObject({ rows: ROWS, cols: COLS, span: expected.span });
    for (const array of ['values', 'scales'] as const)
      expect(Buffer.compare(bytesOf((found as typeof expected)[array]), bytesOf(expected[array]))).toBe(0);
    await writer.close();
  }
});

test('others are heard in between, and an abort ends it', async () => {
  let heard = 0;
  const listening = setInterval(() => heard++, 1);
  expect(await integersFit(matrixOf(halves), { bits: 8 })).toBe(true);
  expect(heard).toBeGreaterThanOrEqual(1);
  const controller = new AbortController();
  const stopped = integersFit(matrixOf(halves), { bits: 8 }, controller.signal);
  setImmediate(() => {
    controller.abort(new Error('enough'));
  });
  await expect(stopped).rejects.toThrow('enough');
  clearInterval(listening);
});

test('a weight that is no number is named by its place in the matrix', async () => {
  const broken = halves.with((ROWS - 1) * COLS + 5, 0x7fc0);
  await expect(integersFit(matrixOf(broken), { bits: 8 })).rejects.toThrow(`row ${ROWS - 1}, channel 5`);
});
