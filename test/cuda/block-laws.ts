/**
 * What holds of the blocks that `--device cuda` of `worker` and `prune` runs, beside ONNX Runtime's on the processor:
 * `npm run test:cuda` on a machine with a GPU; a test runs the same on an emulated one.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { checkpointWeights, openCheckpoint } from '@esparse/checkpoint';
import { CudaArithmetic, createCudaBlockRunner } from '@esparse/cuda';
import { isEsparseError } from '@esparse/errors';
import { describeCheckpoint, type ModelDescription } from '@esparse/model';
import { createBlockRunner } from '@esparse/onnx';

/** Of norms: bf16 has 8 bits, and a block rounds a dozen times. */
const TOLERANCE = 1e-2;
/** Where several roundings meet in one tap, or norms make small what was rounded while it was large. */
const TAP_TOLERANCE = 1.5e-2;
const SEQLEN = 24;
const SEQUENCES = 3;

const FIXTURES = path.join(import.meta.dirname, '../../fixtures/transformers');
/** Models that are refused, and what is said of them. */
const REFUSED: Readonly<Record<string, RegExp>> = {
  mixtral: /a mixture of experts/,
  'qwen3-moe': /a mixture of experts/,
  'qwen3-moe-shares': /a mixture of experts/,
  'gpt-oss': /a mixture of experts/,
  'gpt-oss-mxfp4': /a mixture of experts/,
  qwen3: /heads of 12 channels/,
};

const gpu = CudaArithmetic.open();
after(() => {
  gpu.close();
});

for (const name of readdirSync(FIXTURES)) {
  const refused = REFUSED[name];
  const law = refused === undefined ? 'taps and outputs are those of the processor' : 'refused by name';
  void test(`${name}: ${law}`, async () => {
    const checkpoint = await openCheckpoint(path.join(FIXTURES, name));
    try {
      const description = describeCheckpoint(checkpoint);
      if (refused === undefined) await requireSame(description, checkpointWeights(checkpoint));
      else assert.throws(() => createCudaBlockRunner(description, { gpu, seqlen: SEQLEN }), refusal(refused));
    } finally {
      await checkpoint.close();
    }
  });
}

type Weights = ReturnType<typeof checkpointWeights>;

async function requireSame(description: ModelDescription, weights: Weights): Promise<void> {
  const cpu = await createBlockRunner(description, { seqlen: SEQLEN, threads: 1 });
  const device = createCudaBlockRunner(description, { gpu, seqlen: SEQLEN });
  const size = SEQLEN * description.hidden;
  let states = Float32Array.from({ length: SEQUENCES * size }, (_, i) => Math.sin(1 + i * i * 0.37));
  for (let block = 0; block < description.blocks; block++) {
    const [there, here] = [await device.load(block, weights), await cpu.load(block, weights)];
    const taps = await there.taps(states);
    const output = await there.advance(states);
    assert.deepEqual(await there.advance(states), output, 'the same bits again');
    const next = new Float32Array(states.length);
    for (let s = 0; s < SEQUENCES; s++) {
      const sequence = states.slice(s * size, (s + 1) * size);
      for (const [i, { tap, rows, channels, data }] of (await here.taps(sequence)).entries()) {
        const found = taps[i]!;
        assert.equal(found.tap, tap);
        const part = found.data.subarray(s * rows * channels, (s + 1) * rows * channels);
        requireClose(part, data, TAP_TOLERANCE, `block ${block}, ${tap}`);
      }
      next.set(await here.advance(sequence), s * size);
    }
    requireClose(output, next, TOLERANCE, `block ${block}, output`);
    states = next;
    await there.release();
  }
  await Promise.all([cpu.release(), device.release()]);
  assert.equal(gpu.facts.heldBytes, 0);
}

function requireClose(found: Float32Array, expected: Float32Array, tolerance: number, what: string): void {
  assert.equal(found.length, expected.length);
  let [squares, size] = [0, 0];
  for (const [i, value] of expected.entries()) {
    squares += (found[i]! - value) ** 2;
    size += value ** 2;
  }
  const error = Math.sqrt(squares / size);
  assert.ok(error < tolerance, `${what}: off by ${error.toExponential(2)}`);
}

function refusal(message: RegExp) {
  return (error: unknown) => {
    assert.ok(isEsparseError(error) && error.kind === 'unsupported');
    assert.match(error.message, message);
    return true;
  };
}
