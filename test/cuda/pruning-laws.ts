/**
 * What holds of the pruner's arithmetic on a GPU, beside that of the processor: `npm run test:cuda` on a machine with a GPU; a
 * test runs the same on an emulated one.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { arithmeticId, CudaArithmetic } from '@esparse/cuda';
import { EsparseError, isEsparseError } from '@esparse/errors';
import { narrow, openInferenceKernels, scoreByChannel, spreadMask, widen } from '@esparse/kernels';
import { createMatrixProducts } from '@esparse/onnx';
import {
  denseMatrix,
  deviceSolver,
  driftStatistic,
  gramStatistic,
  openHessianResources,
  processorSolver,
  type Solver,
  type TapMatrix,
} from '@esparse/reconstruction';
import {
  both,
  encodingOf,
  global,
  local,
  maskLinear,
  maskOn,
  none,
  outputsOn,
  packLinear,
  scoresOn,
  weightsOn,
  type Pattern,
  type StageDevice,
} from '@esparse/sparsity';
import { deviceArrays, type DeviceTile } from '@esparse/statistics';

/** Of sums in f32, whatever their order: of the geometric mean of the two diagonal entries. */
const SUM_TOLERANCE = 2e-6;

const gpu = CudaArithmetic.open();
const device: StageDevice = Object.assign(gpu, { id: arithmeticId(gpu) });
const resources = openHessianResources();
const products = await createMatrixProducts({ threads: 1 });
after(async () => {
  await products.release();
  await resources.release();
  gpu.trim();
  assert.equal(gpu.facts.heldBytes, 0, 'all memory of the GPU was given back');
  gpu.close();
});

/** Numbers of a normal distribution that bf16 can hold, the same for the same seed. */
function normals(count: number, seed: number): Float32Array {
  let state = seed;
  const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
  return Float32Array.from({ length: count }, () => {
    const value = Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
    return truncated(value);
  });
}

/** The bf16 next to a number, towards zero. */
function truncated(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!;
  return new Float32Array(Uint32Array.of(bits & 0xffff0000).buffer)[0]!;
}

/** More channels than a panel has. */
const CHANNELS = 1040;
const SEQLEN = 6;

/** Activations of some sequences, and the dense model's, which are near. */
interface Activations {
  readonly own: Float32Array;
  readonly dense: Float32Array;
  readonly rows: number;
}

function activations(sequences: number, seed: number): Activations {
  const rows = sequences * SEQLEN;
  const own = normals(rows * CHANNELS, seed);
  const other = normals(rows * CHANNELS, seed + 1);
  const near = own.map((value, i) => value + other[i]! / 16);
  return {
    own,
    dense: near.map(truncated),
    rows,
  };
}

const STATISTICS = { gram: () => gramStatistic(resources), drift: () => driftStatistic(resources) };
type Name = keyof typeof STATISTICS;

/** What a worker sends of activations that a GPU has: the head of the state, and its pieces. */
function folded(name: Name, tiles: readonly Activations[]): { head: Uint8Array; pieces: Uint8Array[] } {
  const statistic = STATISTICS[name]();
  const fold = statistic.onDevice!(gpu, CHANNELS);
  try {
    for (const { own, dense, rows } of tiles) {
      const [here, beside] = [gpu.allocate(2 * own.length), gpu.allocate(2 * own.length)];
      gpu.upload(here.address, narrow('bf16', own));
      gpu.upload(beside.address, narrow('bf16', dense));
      const tile: DeviceTile = {
        ...{ address: here.address, dense: beside.address, type: 'bf16' },
        ...{ rows, channels: CHANNELS, seqlen: SEQLEN },
      };
      fold.update(tile);
      gpu.release(here);
      gpu.release(beside);
    }
    const head = statistic.serialise(fold.finish());
    const pieces: Uint8Array[] = [];
    for (let piece = fold.piece!(0); piece !== undefined; piece = fold.piece!(pieces.length))
      pieces.push(piece);
    return { head, pieces };
  } finally {
    fold.release();
  }
}

/** The state that comes of it in a pruner. Pieces come cut anywhere. */
async function received(name: Name, { head, pieces }: ReturnType<typeof folded>) {
  const statistic = STATISTICS[name]();
  const state = statistic.deserialise(head, CHANNELS);
  const arriving = statistic.pieces!.receive(CHANNELS);
  const bytes = Buffer.concat(pieces);
  for (let at = 0; at < bytes.length; at += 999_983) await arriving.add(bytes.subarray(at, at + 999_983));
  arriving.complete(state);
  return { statistic, state };
}

async function onProcessor(name: Name, tiles: readonly Activations[]): Promise<TapMatrix> {
  const statistic = STATISTICS[name]();
  const state = statistic.create(CHANNELS, {});
  for (const { own, dense, rows } of tiles) {
    for (let row = 0; row < rows; row += SEQLEN) {
      const part = (of: Float32Array) => of.slice(row * CHANNELS, (row + SEQLEN) * CHANNELS);
      const tile = { data: part(own), dense: part(dense), rows: SEQLEN, channels: CHANNELS };
      await statistic.update(state, { ...tile, endsSequence: true });
    }
  }
  return statistic.finish(state);
}

const TILES = [activations(2, 1), activations(5, 3)];

for (const name of ['gram', 'drift'] as const) {
  void test(`${name}: the sums of a GPU are the processor's up to the rounding of each sequence's product`, async () => {
    const there = await received(name, folded(name, TILES));
    assert.equal(there.state.tokens, 7 * SEQLEN);
    assert.equal(there.state.sequences, 7);
    const [found, expected] = [await there.statistic.finish(there.state), await onProcessor(name, TILES)];
    const scale = (await onProcessor('gram', TILES)).diagonal;
    const [a, b] = [await found.dense(), await expected.dense()];
    let worst = 0;
    for (const [i, value] of a.entries()) {
      const size = Math.sqrt(scale[Math.floor(i / CHANNELS)]! * scale[i % CHANNELS]!);
      worst = Math.max(worst, Math.abs(value - b[i]!) / size);
    }
    assert.ok(worst < SUM_TOLERANCE, `an entry differs by ${worst}`);
    found.release();
    expected.release();
  });

  void test(`${name}: equal sequences have equal sums, however they are cut into shards and states`, async () => {
    const whole = await received(name, folded(name, TILES));
    const parts = await Promise.all(TILES.map((tile) => received(name, folded(name, [tile]))));
    const [into, from] = parts as [(typeof parts)[0], (typeof parts)[0]];
    await into.statistic.merge(into.state, from.state);
    assert.equal(into.state.sequences, 7);
    const [a, b] = [await whole.statistic.finish(whole.state), await into.statistic.finish(into.state)];
    assert.deepEqual(await a.dense(), await b.dense());
    a.release();
    b.release();
  });
}

void test('a channel that is no number is refused by name', () => {
  const { own, rows } = activations(2, 5);
  own[7 * CHANNELS + 1030] = NaN;
  assert.throws(
    () => folded('gram', [{ own, dense: own, rows }]),
    (error) => isEsparseError(error) && error.kind === 'numeric',
  );
});

void test('pieces that are cut short, too many, or no sums are refused', async () => {
  const { head, pieces } = folded('gram', [activations(1, 7)]);
  await assert.rejects(received('gram', { head, pieces: pieces.slice(1) }), /tiles of its sums came/);
  await assert.rejects(received('gram', { head, pieces: [...pieces, new Uint8Array(8)] }), /more sums/);
  const half = new Uint8Array(new Float64Array([0.5]).buffer);
  await assert.rejects(received('gram', { head, pieces: [half, pieces[0]!.subarray(8)] }), /out of range/);
});

const PATTERN: Pattern = { keep: 2, group: 4 };

/** A linear whose inputs are correlated, with a mask and what drift adds. */
async function linearOf(rows: number, cols: number, seed: number) {
  const tokens = 3 * cols;
  const noise = normals(tokens * cols, seed);
  const inputs = noise.map((value, i) => value + (i % cols > 0 ? 0.7 * noise[i - 1]! : 0));
  const matrix = new Float32Array(cols * cols);
  await products.cross(inputs, inputs, { rows: cols, inner: tokens, cols }, matrix);
  const hessian = denseMatrix(matrix, cols, products);
  const trace = hessian.diagonal.reduce((sum, value) => sum + value, 0);
  const weights = normals(rows * cols, seed + 1);
  const permutation = Int32Array.from({ length: cols }, (_, i) => (7 * i) % cols);
  const mask = await maskLinear({ scores: weights.map(Math.abs), rows, cols }, permutation, PATTERN);
  const kept = new Float32Array(rows * cols);
  for (let r = 0; r < rows; r++) {
    for (let i = 0; i < cols; i++)
      kept[r * cols + permutation[i]!] = (mask[r * Math.ceil(cols / 8) + (i >> 3)]! >> (i & 7)) & 1;
  }
  const shift = normals(rows * cols, seed + 2).map((value) => (value * trace) / cols / 20);
  return {
    rows,
    cols,
    weights,
    kept,
    hessian,
    damping: (0.01 * trace) / cols,
    shift,
    permutation,
    pattern: PATTERN,
  };
}
type Linear = Awaited<ReturnType<typeof linearOf>>;

/** (ŵ - w) (H + λI) (ŵ - w)ᵀ - 2 s (ŵ - w)ᵀ over all rows, in f64: what is to be made least. */
async function errorOf({ rows, cols, weights, hessian, damping, shift }: Linear, found: Float32Array) {
  const matrix = await hessian.dense();
  let sum = 0;
  for (let r = 0; r < rows; r++) {
    const change = Float64Array.from(
      { length: cols },
      (_, j) => found[r * cols + j]! - weights[r * cols + j]!,
    );
    for (let i = 0; i < cols; i++) {
      let image = damping * change[i]! - 2 * shift[r * cols + i]!;
      for (let j = 0; j < cols; j++) image += matrix[i * cols + j]! * change[j]!;
      sum += change[i]! * image;
    }
  }
  return sum;
}

/** |a - b| / |b| */
function distance(a: Float32Array, b: Float32Array): number {
  const squares = (values: Float32Array) => values.reduce((sum, value) => sum + value ** 2, 0);
  return Math.sqrt(squares(a.map((value, i) => value - b[i]!)) / squares(b));
}

function solving<R>(work: (solver: Solver) => Promise<R>): Promise<R> {
  const solver = deviceSolver(device);
  return work(solver).finally(() => {
    solver.release();
  });
}

// 1040 rows are more than are solved for together.
for (const [rows, cols] of [
  [24, 72],
  [1040, 16],
] as const) {
  void test(`survivors of ${rows} x ${cols}: the processor's, and their error is less than before`, async () => {
    const linear = await linearOf(rows, cols, 11);
    const options = { steps: 6 };
    const [found, again] = await solving(async (solver) => [
      await solver.survivors(linear, options),
      await solver.survivors(linear, options),
    ]);
    assert.deepEqual(found, again, 'equal problems have equal bits');
    const expected = await processorSolver(products).survivors(linear, options);
    assert.ok(distance(found, expected) < 1e-4, `they differ by ${distance(found, expected)}`);
    assert.ok(found.every((value, i) => linear.kept[i] === 1 || value === 0));
    const before = linear.weights.map((value, i) => value * linear.kept[i]!);
    const [least, masked] = [await errorOf(linear, found), await errorOf(linear, before)];
    assert.ok(least < masked, `${least} is not less than ${masked}`);
  });
}

void test('products of halves are as good as f32, whatever channels are like', async () => {
  const linear = await linearOf(8, 64, 12);
  const options = { steps: 200, tolerance: 1e-7 };
  // A channel that is 2^e as large, and its weight as much smaller: the same problem, to the bit.
  const scales = Float32Array.from({ length: linear.cols }, (_, j) => 2 ** (((5 * j) % 49) - 24));
  const matrix = await linear.hessian.dense();
  const of = (values: Float32Array, power: 1 | -1) =>
    values.map((value, i) => value * scales[i % linear.cols]! ** power);
  const scaled = of(matrix, 1).map((value, i) => value * scales[Math.floor(i / linear.cols)]!);
  const damping = 0;
  const plain = { ...linear, damping };
  const exact = await processorSolver(products).survivors(plain, options);
  const found = await solving((solver) => solver.survivors(plain, options));
  assert.ok(distance(found, exact) < 4e-6, `they differ by ${distance(found, exact)}`);
  const other = {
    ...plain,
    hessian: denseMatrix(scaled, linear.cols, products),
    weights: of(linear.weights, -1),
    shift: of(linear.shift, 1),
  };
  assert.deepEqual(of(await solving((solver) => solver.survivors(other, options)), 1), found);
});

void test('rows, solved for, chosen anew and solved for again, are the processor’s', async () => {
  for (const dtype of ['bf16', 'f16'] as const) {
    const linear = await linearOf(12, 144, 18);
    const { rows, cols, permutation, pattern, hessian, damping } = linear;
    const drift = denseMatrix(
      normals(cols * cols, 19).map((value) => (value * damping) / 4),
      cols,
      products,
    );
    const scores = linear.weights.map(Math.abs);
    const problem = {
      ...{ rows, cols, dtype, permutation, pattern, hessian, damping, drift, dense: 0.5 },
      weights: narrow(dtype, linear.weights),
      mask: await maskLinear({ scores, rows, cols }, permutation, pattern),
    };
    for (const sweeps of [0, 2]) {
      const options = { steps: 64, sweeps, progress: () => undefined };
      const [there, again] = await solving(async (solver) => [
        await solver.reconstruct(problem, options),
        await solver.reconstruct(problem, options),
      ]);
      assert.deepEqual(there, again, 'equal problems have equal bits');
      const here = await processorSolver(products).reconstruct(problem, options);
      const [found, expected] = [await widen(dtype, there.weights), await widen(dtype, here.weights)];
      if (sweeps === 0) {
        assert.equal(there.mask, undefined);
        assert.ok(distance(found, expected) < 2e-3, `they differ by ${distance(found, expected)}`);
      }
      const shift = new Float32Array(rows * cols);
      await drift.multiply(linear.weights, rows, shift);
      const target = { ...linear, shift: shift.map((value) => value / 2) };
      const errors = await Promise.all([found, expected].map((of) => errorOf(target, of)));
      assert.ok(Math.abs(errors[0]! / errors[1]! - 1) < 2e-3, `${errors[0]} beside ${errors[1]}`);
      if (there.mask === undefined) continue;
      const kept = await spreadMask(there.mask, rows, cols, permutation);
      assert.ok(found.every((value, i) => kept[i] === 1 || value === 0));
      const counts = there.mask.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0);
      assert.equal(counts, (rows * cols * pattern.keep) / pattern.group);
    }
  }
});

void test('rows that are solved for in parts are what each part is alone', async () => {
  const [most, rows, cols] = [1024, 2064, 16];
  const linear = await linearOf(rows, cols, 21);
  const { permutation, pattern, hessian, damping } = linear;
  const weights = narrow('bf16', linear.weights);
  const mask = await maskLinear({ scores: linear.weights.map(Math.abs), rows, cols }, permutation, pattern);
  const part = (first: number, count: number) => ({
    ...{ rows: count, cols, permutation, pattern, hessian, damping, drift: undefined, dense: 0 },
    ...{ dtype: 'bf16' as const, weights: weights.subarray(first * cols, (first + count) * cols) },
    mask: mask.subarray((first * cols) / 8, ((first + count) * cols) / 8),
  });
  const options = { steps: 9, sweeps: 2, progress: () => undefined };
  await solving(async (solver) => {
    const whole = await solver.reconstruct(part(0, rows), options);
    for (const first of [0, most]) {
      const own = await solver.reconstruct(part(first, most), options);
      const bytes = cols / 8;
      assert.deepEqual(whole.weights.slice(first * cols, (first + most) * cols), own.weights);
      assert.deepEqual(whole.mask!.slice(first * bytes, (first + most) * bytes), own.mask);
    }
    // A part of another size may take another algorithm.
    const last = await solver.reconstruct(part(2 * most, rows - 2 * most), options);
    const [found, alone] = [whole.weights.slice(2 * most * cols), last.weights];
    const apart = distance(await widen('bf16', found), await widen('bf16', alone));
    assert.ok(apart < 0.05, `they differ by ${apart}`);
  });
});

void test('masks chosen anew lower the error as on the processor, and keep the pattern', async () => {
  for (const [keep, group] of [
    [2, 4],
    [4, 8],
  ] as const) {
    const linear = { ...(await linearOf(12, 144, 13)), pattern: { keep, group } };
    const solved = await processorSolver(products).survivors(linear);
    const [there, here] = [solved.slice(), solved.slice()];
    const options = { sweeps: 2 };
    assert.equal(await solving((solver) => solver.refine(linear, there, options)), true);
    await processorSolver(products).refine(linear, here, options);
    const [found, expected, before] = await Promise.all(
      [there, here, solved].map((of) => errorOf(linear, of)),
    );
    assert.ok(found! < before!, `${found} is not less than ${before}`);
    assert.ok(Math.abs(found! / expected! - 1) < 1e-3, `${found} beside ${expected}`);
    for (let at = 0; at < there.length; at += linear.cols) {
      for (let i = 0; i < linear.cols; i += group) {
        const channels = linear.permutation.subarray(i, i + group);
        assert.ok(channels.reduce((count, c) => count + Number(there[at + c] !== 0), 0) <= keep);
      }
    }
  }
});

void test("SparseGPT's masks and weights are the processor's", async () => {
  const linear = await linearOf(40, 264, 14);
  const progress: number[] = [];
  const found = await solving((solver) =>
    solver.sparseGpt(linear, { progress: (done) => progress.push(done) }),
  );
  const expected = await processorSolver(products).sparseGpt(linear);
  assert.equal(progress.at(-1), 264);
  const differing = found.mask.reduce((count, byte, i) => count + Number(byte !== expected.mask[i]), 0);
  // A choice may turn at a tie, and takes what follows along.
  assert.ok(
    differing <= found.mask.length / 50,
    `${differing} of ${found.mask.length} bytes of the mask differ`,
  );
  const [there, here] = [await errorOf(linear, found.weights), await errorOf(linear, expected.weights)];
  assert.ok(Math.abs(there / here - 1) < 0.01, `${there} beside ${here}`);
  if (differing === 0) assert.ok(distance(found.weights, expected.weights) < 1e-4);
});

void test('a matrix that is not positive is refused as on the processor', async () => {
  const linear = await linearOf(4, 16, 16);
  const matrix = (await linear.hessian.dense()).map((value, i) => (i % 17 === 0 ? value : 9 * value));
  const problem = { ...linear, hessian: denseMatrix(matrix, 16, products) };
  const refused = (error: unknown) => isEsparseError(error) && error.kind === 'numeric';
  await assert.rejects(
    solving((solver) => solver.sparseGpt(problem)),
    refused,
  );
  await assert.rejects(
    solving((solver) => solver.survivors(problem)),
    refused,
  );
  await assert.rejects(
    solving((solver) => solver.refine(problem, linear.weights.slice(), { sweeps: 1 })),
    refused,
  );
});

void test('a problem without room is refused by name, and gives back what it took', async () => {
  const linear = await linearOf(8, 64, 17);
  const before = gpu.facts.heldBytes;
  let left = 30_000;
  const small: StageDevice = {
    id: device.id,
    load: (module) => {
      gpu.load(module);
    },
    allocate(bytes) {
      left -= bytes;
      if (left < 0) throw new EsparseError('unavailable', 'no room');
      return gpu.allocate(bytes);
    },
    release: gpu.release.bind(gpu),
    upload: gpu.upload.bind(gpu),
    download: gpu.download.bind(gpu),
    downloadLater: gpu.downloadLater.bind(gpu),
    copy: gpu.copy.bind(gpu),
    fill: gpu.fill.bind(gpu),
    multiply: gpu.multiply.bind(gpu),
    launch: gpu.launch.bind(gpu),
  };
  const solver = deviceSolver(small);
  await assert.rejects(
    solver.survivors(linear),
    (error) =>
      isEsparseError(error) && error.kind === 'unsupported' && error.hint?.includes('--solver cpu') === true,
  );
  solver.release();
  gpu.trim();
  assert.ok(gpu.facts.heldBytes <= before);
});

void test('what is copied to a GPU comes back as it was, of any size', () => {
  for (const count of [1, 2 ** 18, 2 ** 19 + 1, 2 ** 21, 5_000_003]) {
    const values = Uint32Array.from({ length: count }, (_, i) => Math.imul(i, 0x9e3779b1));
    const memory = gpu.allocate(values.byteLength);
    gpu.upload(memory.address, values);
    const back = new Uint32Array(count);
    gpu.download(memory.address, back);
    gpu.release(memory);
    assert.ok(Buffer.from(back.buffer).equals(Buffer.from(values.buffer)), `${count} numbers`);
  }
});

/** Rows and inputs: of no whole block of 256, no whole chunk of 64 rows, an odd number of groups, one group. */
const SHUFFLED: readonly (readonly [rows: number, cols: number, pattern: Pattern])[] = [
  [130, 520, { keep: 2, group: 4 }],
  [64, 256, { keep: 1, group: 4 }],
  [33, 96, { keep: 3, group: 8 }],
  [70, 300, { keep: 4, group: 12 }],
  [65, 35, { keep: 2, group: 5 }],
  [5, 4, { keep: 2, group: 4 }],
];

void test('shuffles find the very order that they find on the processor', async () => {
  for (const [i, [rows, cols, pattern]] of SHUFFLED.entries()) {
    const outliers = normals(cols, 100 + i).map((value) => Math.exp(2 * value));
    // Some are equal, and some are zero.
    const scores = normals(rows * cols, i + 1).map((value, at) =>
      Math.abs(value) < 0.3 ? 0 : Math.round(4 * Math.abs(value)) * outliers[at % cols]!,
    );
    for (const shuffle of [both(), local()]) {
      const expected = await shuffle.order({ scores, rows, cols }, pattern);
      assert.deepEqual(await shuffle.order({ scores, rows, cols }, pattern, undefined, device), expected);
    }
  }
});

void test('scores, orders, masks and outputs of weights in its memory are the very ones of the processor', async () => {
  const kernels = openInferenceKernels();
  for (const [i, [rows, cols, pattern]] of SHUFFLED.entries()) {
    for (const [dtype, tokens] of [
      ['bf16', 64],
      ['f16', 5],
    ] as const) {
      const bits = narrow(dtype, normals(rows * cols, 200 + i));
      const importance = normals(cols, 300 + i).map((value) => Math.exp(2 * value));
      const inputs = { rows: tokens, data: normals(tokens * cols, 400 + i) };
      const linear = { dtype, weights: bits, rows, cols };
      const scores = await scoreByChannel(dtype, bits, rows, cols, importance);
      const arrays = deviceArrays(gpu);
      const there = (await weightsOn(gpu, arrays, linear))!;
      const scored = (await scoresOn(there, arrays, importance))!;
      for (const shuffle of [both(), local(), none(), global()]) {
        const order = await shuffle.order({ scores, rows, cols }, pattern);
        assert.deepEqual(await shuffle.orderOn!(scored, pattern), order);
        const { permutation } = order;
        const mask = await maskLinear({ scores, rows, cols }, permutation, pattern);
        const kept = await maskOn(scored, arrays, permutation, pattern);
        assert.deepEqual(kept.bytes, mask);
        const packed = await packLinear(linear, permutation, mask, pattern);
        const outputs = [
          [{ kind: 'dense', ...linear }, undefined],
          [encodingOf(packed).weights(packed), kept],
        ] as const;
        for (const [weights, masked] of outputs) {
          const expected = new Float32Array(tokens * rows);
          kernels.createLinear(weights).apply(inputs.data, tokens, expected);
          assert.deepEqual(await outputsOn(there, inputs, masked), expected);
        }
      }
      arrays.release();
    }
  }
});

void test('scores that are no numbers from 0 are left to the processor', async () => {
  const weights = narrow('bf16', normals(8 * 16, 1));
  for (const wrong of [NaN, Infinity, -1]) {
    const arrays = deviceArrays(gpu);
    const there = (await weightsOn(gpu, arrays, { dtype: 'bf16', weights, rows: 8, cols: 16 }))!;
    assert.equal(await scoresOn(there, arrays, new Float32Array(16).fill(1).fill(wrong, 15)), undefined);
    arrays.release();
  }
});

void test("a shuffle that is cancelled ends, and one without room is the processor's", async () => {
  const [rows, cols, pattern] = SHUFFLED[0]!;
  const matrix = { scores: normals(rows * cols, 5).map(Math.abs), rows, cols };
  const stopped = local().order(matrix, pattern, AbortSignal.abort(), device);
  await assert.rejects(stopped, (error) => isEsparseError(error) && error.kind === 'cancelled');
  const full: StageDevice = Object.assign(Object.create(device) as StageDevice, {
    load: () => undefined,
    allocate: () => {
      throw new EsparseError('unavailable', 'no room');
    },
  });
  assert.deepEqual(
    await local().order(matrix, pattern, undefined, full),
    await local().order(matrix, pattern),
  );
});

void test('a run that is cancelled ends while it solves', async () => {
  const linear = await linearOf(8, 64, 18);
  const stop = new AbortController();
  stop.abort(new Error('enough'));
  await assert.rejects(
    solving((solver) => solver.survivors(linear, { signal: stop.signal })),
    /enough/,
  );
});
