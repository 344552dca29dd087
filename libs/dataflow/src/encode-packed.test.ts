import { lastValueFrom, of, type OperatorFunction } from 'rxjs';
import {
  defineEncoding,
  encodingOf,
  magnitude,
  none,
  registerEncoding,
  unpackToF32,
  type EncodingDefinition,
  type OwnLinear,
  type PackedLinear,
} from '@esparse/sparsity';
import { encodePacked, pruneLinear, type LinearJob, type PrunedLinear } from './index.ts';

const [ROWS, COLS] = [16, 8];
const job: LinearJob = {
  ...{ block: 2, name: 'q', tap: 'in', rows: ROWS, cols: COLS, pattern: { keep: 2, group: 4 } },
  readings: new Map<never, never>(),
};
/** bf16 bits of small distinct numbers. */
const weights = Uint16Array.from({ length: ROWS * COLS }, (_, i) => 0x3f80 + ((i * 29) % 97));

/** Everything as it is. */
const plain: EncodingDefinition = {
  name: 'plain',
  values: 'f32',
  arrays: ({ rows, each }) => ({
    values: { type: 'int32', shape: [rows, each] },
    places: { type: 'int32', shape: [rows, each] },
  }),
  encode: ({ values, positions }) => ({ values: new Int32Array(values.slice().buffer), places: positions }),
  decode: (_, { values, places }) => ({
    values: new Float32Array((values as Int32Array).slice().buffer),
    positions: places as Int32Array,
  }),
};
const encoding = defineEncoding(plain);
registerEncoding(encoding);

const chain = (own?: EncodingDefinition, stages: Parameters<typeof pruneLinear>[0]['stages'] = []) =>
  pruneLinear({
    ...{ metric: magnitude(), shuffle: none(), stages },
    load: () => Promise.resolve({ dtype: 'bf16' as const, weights: weights.slice() }),
    report: { note: () => undefined, progress: () => undefined },
    encoding: own && defineEncoding(own),
  });
const through = async (operator: OperatorFunction<LinearJob, PrunedLinear>) =>
  (await lastValueFrom(of(job).pipe(operator))).packed;

test('a linear is packed in an encoding of one’s own at once, or behind block stages, to the same bytes', async () => {
  const packed = await lastValueFrom(of(job).pipe(chain()));
  const dense = await unpackToF32(packed.packed as PackedLinear);
  const direct = (await through(chain(plain))) as OwnLinear;
  const after = (await lastValueFrom(of(packed).pipe(encodePacked(encoding)))).packed;
  expect(direct.encoding).toBe('x-plain');
  expect(after).toEqual(direct);
  expect(await encodingOf(direct).unpackToF32(direct)).toEqual(dense);
});

test('what an encoding throws names it, the block and the linear', async () => {
  const wrong: EncodingDefinition = {
    ...plain,
    encode: () => {
      throw new TypeError('mine');
    },
  };
  await expect(through(chain(wrong))).rejects.toMatchObject({
    kind: 'usage',
    message: 'encoding plain, block 2, q: mine',
  });
});

test('survivors that a stage has made integers of are not encoded once more', async () => {
  const whole = {
    ...{ name: 'whole', statistics: {} },
    run: () =>
      Promise.resolve({
        integers: {
          ...({ bits: 8, span: 4 } as const),
          integers: new Int8Array(ROWS * COLS).fill(1),
          scales: new Uint16Array(ROWS).fill(0x3f80),
        },
      }),
  };
  await expect(through(chain(plain, [whole]))).rejects.toMatchObject({
    kind: 'usage',
    message: expect.stringContaining('integers already'),
  });
  const packed = await lastValueFrom(of(job).pipe(chain(undefined, [whole])));
  await expect(lastValueFrom(of(packed).pipe(encodePacked(encoding)))).rejects.toMatchObject({
    kind: 'usage',
    message: expect.stringContaining('integers already'),
  });
});
