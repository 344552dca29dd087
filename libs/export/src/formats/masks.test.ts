import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { openCheckpoint } from '@esparse/checkpoint';
import { inTemporaryFolder } from '@esparse/laws';
import { exportRun } from '../export-run.ts';
import { FIXTURES, PATTERN, prunedRun, randomOrder } from '../testing/pruned-run.ts';
import { masks } from './masks.ts';
import { safetensors } from './safetensors.ts';

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** The tensors of a safetensors file. */
async function tensorsIn(file: string) {
  const bytes = await readFile(file);
  const data = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, data).toString()) as Record<string, Entry>;
  const entries = Object.entries(header).filter(([name]) => name !== '__metadata__');
  return new Map(
    entries.map(
      ([
        name,
        {
          dtype,
          shape,
          data_offsets: [begin, end],
        },
      ]) => [name, { dtype, shape, bytes: bytes.subarray(data + begin, data + end) }],
    ),
  );
}

test('masks have the names and shapes of the checkpoint, and keep 2 of every 4 in the order that is beside them', () =>
  inTemporaryFolder(async (home) => {
    const run = await prunedRun(path.join(FIXTURES, 'phi3'), { dense: ['k_proj'] });
    const out = path.join(home, 'masks');
    await exportRun({ run, format: masks, out });
    await exportRun({ run, format: safetensors, out: path.join(home, 'weights') });
    const kept = await tensorsIn(path.join(out, 'masks.safetensors'));
    const orders = await tensorsIn(path.join(out, 'permutations.safetensors'));
    const checkpoint = await openCheckpoint(path.join(home, 'weights'));
    const layers = [0, 1, 2].flatMap((k) =>
      ['mlp.down_proj', 'mlp.gate_up_proj', 'self_attn.o_proj', 'self_attn.qkv_proj'].map(
        (name) => `model.layers.${k}.${name}.weight`,
      ),
    );
    expect([...kept.keys()].sort()).toEqual(layers);
    expect([...orders.keys()].sort()).toEqual(layers);
    for (const [name, mask] of kept) {
      const { shape } = checkpoint.info(name);
      expect(mask).toMatchObject({ dtype: 'BOOL', shape });
      const weights = new Uint16Array(new Uint8Array(await checkpoint.read(name)).buffer);
      expect(weights.every((value, i) => value === 0 || mask.bytes[i] === 1)).toBe(true);
    }
    // The second of the three parts, k, is dense: 32 rows of q, 16 of k, 16 of v.
    const qkv = 'model.layers.1.self_attn.qkv_proj.weight';
    expect(orders.get(qkv)).toMatchObject({ dtype: 'I32', shape: [3, 32] });
    expect(
      kept
        .get(qkv)!
        .bytes.subarray(32 * 32, 48 * 32)
        .every((value) => value === 1),
    ).toBe(true);

    const down = 'model.layers.1.mlp.down_proj.weight';
    const order = new Int32Array(new Uint8Array(orders.get(down)!.bytes).buffer);
    expect(orders.get(down)!.shape).toEqual([48]);
    expect(order).toEqual(randomOrder('down_proj', 1, 48));
    const mask = kept.get(down)!.bytes;
    for (let row = 0; row < 32; row++) {
      for (let first = 0; first < 48; first += PATTERN.group) {
        const group = order.subarray(first, first + PATTERN.group);
        const sum = group.reduce((total, channel) => total + mask[row * 48 + channel]!, 0);
        expect(sum).toBe(PATTERN.keep);
      }
    }
    await checkpoint.close();
  }));

test('masks of experts lie in one tensor, as their weights do', () =>
  inTemporaryFolder(async (home) => {
    const run = await prunedRun(path.join(FIXTURES, 'gpt-oss-mxfp4'));
    await exportRun({ run, format: masks, out: path.join(home, 'masks') });
    await exportRun({ run, format: safetensors, out: path.join(home, 'weights') });
    const kept = await tensorsIn(path.join(home, 'masks/masks.safetensors'));
    const weights = await tensorsIn(path.join(home, 'weights/model.safetensors'));
    expect(kept.size).toBe(3 * (4 + 2));
    for (const [name, { shape, bytes }] of kept) {
      const values = new Uint16Array(new Uint8Array(weights.get(name)!.bytes).buffer);
      expect(shape).toEqual(weights.get(name)!.shape);
      expect(values.every((value, i) => (value & 0x7fff) === 0 || bytes[i] === 1)).toBe(true);
      expect(bytes.reduce((sum, value) => sum + value, 0)).toBe(bytes.length / 2);
    }
    const orders = await tensorsIn(path.join(home, 'masks/permutations.safetensors'));
    const order = orders.get('model.layers.1.mlp.experts.gate_up_proj')!;
    // Those of gate and up of each of the four experts.
    expect(order).toMatchObject({ dtype: 'I32', shape: [8, 32] });
    const second = new Int32Array(new Uint8Array(order.bytes).buffer).slice(3 * 32, 4 * 32);
    expect(second).toEqual(randomOrder('experts.1.up_proj', 1, 32));
  }));

test('masks of matrices that the checkpoint has transposed lie as those do', () =>
  inTemporaryFolder(async (home) => {
    const run = await prunedRun(path.join(FIXTURES, 'gpt2'));
    await exportRun({ run, format: masks, out: path.join(home, 'masks') });
    await exportRun({ run, format: safetensors, out: path.join(home, 'weights') });
    const kept = await tensorsIn(path.join(home, 'masks/masks.safetensors'));
    const checkpoint = await openCheckpoint(path.join(home, 'weights'));
    expect(kept.size).toBe(3 * 4);
    for (const [name, { shape, bytes }] of kept) {
      expect(shape).toEqual(checkpoint.info(name).shape);
      const weights = new Uint16Array(new Uint8Array(await checkpoint.read(name)).buffer);
      expect(weights.every((value, i) => value === 0 || bytes[i] === 1)).toBe(true);
      expect(bytes.reduce((sum, value) => sum + value, 0)).toBe(bytes.length / 2);
    }
    await checkpoint.close();
  }));
