import { readdirSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { inTemporaryFolder, relativeError } from '@esparse/laws';
import { describeModel } from '@esparse/model';
import { readRunAttributes, storeWeights } from '@esparse/model-store';
import { sequenceLogits } from '@esparse/onnx';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { ExportDtype } from '../dtype/dtypes.ts';
import { exportRun } from '../export-run.ts';
import { FIXTURES, prunedRun } from '../testing/pruned-run.ts';
import { onnx } from './onnx.ts';

/** f32 twice; the graph turns its angles in f32. */
const TOLERANCE = 1e-4;

type Values = Readonly<Record<string, Tensor>>;

/** The logits of some tokens, and the cache that they leave. */
async function step(
  session: InferenceSession,
  tokens: readonly (readonly number[])[],
  { mask, positions, past }: { mask: number[][]; positions: number[][]; past?: Values },
) {
  const whole = (rows: readonly (readonly number[])[]) =>
    new Tensor('int64', BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0]!.length]);
  const feeds: Record<string, Tensor> = {
    input_ids: whole(tokens),
    attention_mask: whole(mask),
    position_ids: whole(positions),
  };
  for (const { name, ...input } of session.inputMetadata) {
    if (!name.startsWith('past_key_values.') || !input.isTensor) continue;
    const shape = input.shape.map((size, i) => (i === 0 ? tokens.length : i === 2 ? 0 : Number(size)));
    feeds[name] =
      past?.[name.replace('past_key_values', 'present')] ?? new Tensor('float32', new Float32Array(0), shape);
  }
  const found = (await session.run(feeds)) as Values;
  return { logits: found.logits!.data as Float32Array, shape: found.logits!.dims, present: found };
}

/** The logits of one sequence by an export. */
async function logitsOf(out: string, tokens: readonly number[]): Promise<Float32Array> {
  const session = await InferenceSession.create(path.join(out, 'model.onnx'));
  const inputs = { mask: [ones(tokens.length)], positions: [counted(0, tokens.length)] };
  const { logits } = await step(session, [tokens], inputs);
  await session.release();
  return logits;
}

const counted = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
const ones = (length: number) => new Array<number>(length).fill(1);

test.each(readdirSync(FIXTURES))(
  '%s: whole, from a cache, and padded in a batch, ONNX Runtime alone gives the logits of the run',
  (name) =>
    inTemporaryFolder(async (home) => {
      const run = await prunedRun(path.join(FIXTURES, name), { dense: ['k_proj'] });
      const out = path.join(home, 'out');
      await exportRun({ run, format: onnx, out });
      const { config } = readRunAttributes(run.attributes);
      const description = describeModel(config);
      const tokens = counted(0, 24).map((i) => (i * 7 + 3) % description.vocab);
      const expected = await sequenceLogits(
        description,
        storeWeights(run, description),
        Uint32Array.from(tokens),
      );
      const session = await InferenceSession.create(path.join(out, 'model.onnx'));
      const { vocab } = description;

      const whole = await step(session, [tokens], { mask: [ones(24)], positions: [counted(0, 24)] });
      expect(whole.shape).toEqual([1, 24, vocab]);
      expect(relativeError(whole.logits, expected)).toBeLessThan(TOLERANCE);

      // LongRoPE and its like turn by the length so far: a sequence that grows past it is another one to them.
      if (name !== 'phi3-long') {
        const first = await step(session, [tokens.slice(0, 9)], {
          mask: [ones(9)],
          positions: [counted(0, 9)],
        });
        const second = await step(session, [tokens.slice(9)], {
          mask: [ones(24)],
          positions: [counted(9, 24)],
          past: first.present,
        });
        expect(relativeError(second.logits, expected.subarray(9 * vocab))).toBeLessThan(TOLERANCE);
      }

      // The shorter of two has its padding on the left.
      const padded = await step(session, [tokens, [...ones(3), ...tokens.slice(0, 21)]], {
        mask: [ones(24), [0, 0, 0, ...ones(21)]],
        positions: [counted(0, 24), [0, 0, 0, ...counted(0, 21)]],
      });
      const row = padded.logits.subarray((24 + 3) * vocab);
      expect(relativeError(padded.logits.subarray(0, 24 * vocab), expected)).toBeLessThan(TOLERANCE);
      expect(relativeError(row, expected.subarray(0, 21 * vocab))).toBeLessThan(TOLERANCE);
      await session.release();
    }),
);

test("names, shapes and files are those of Hugging Face's exporter", () =>
  inTemporaryFolder(async (home) => {
    const out = path.join(home, 'out');
    await exportRun({ run: await prunedRun(path.join(FIXTURES, 'llama')), format: onnx, out });
    expect(readdirSync(out).sort()).toEqual(['config.json', 'model.onnx', 'model.onnx_data']);
    const session = await InferenceSession.create(path.join(out, 'model.onnx'));
    const cache = (stem: string) =>
      [0, 1, 2].flatMap((block) => [`${stem}.${block}.key`, `${stem}.${block}.value`]);
    expect(session.inputNames).toEqual([
      'input_ids',
      'attention_mask',
      'position_ids',
      ...cache('past_key_values'),
    ]);
    expect([...session.outputNames].sort()).toEqual(['logits', ...cache('present')]);
    expect(session.inputMetadata[3]).toMatchObject({
      type: 'float32',
      shape: ['batch_size', 2, 'past_sequence_length', 8],
    });
    await session.release();
    // No weights in the graph itself.
    expect((await readFile(path.join(out, 'model.onnx'))).length).toBeLessThan(60_000);
  }));

test('matrices in 16 bits are half as many bytes, and the same model', () =>
  inTemporaryFolder(async (home) => {
    const run = await prunedRun(path.join(FIXTURES, 'llama'));
    const exported = async (dtype?: ExportDtype) => {
      const out = path.join(home, dtype ?? 'default');
      await exportRun({ run, format: onnx, out, dtype });
      const logits = await logitsOf(out, counted(3, 20));
      return { logits, bytes: (await stat(path.join(out, 'model.onnx_data'))).size };
    };
    const wide = await exported();
    for (const dtype of ['bf16', 'f16'] as const) {
      const { logits, bytes } = await exported(dtype);
      expect(relativeError(logits, wide.logits)).toBeLessThan(TOLERANCE);
      expect(bytes / wide.bytes).toBeLessThan(0.75);
    }
  }));
