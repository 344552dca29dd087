/** Run in a process that has an emulated GPU: packed matrices, as they are unpacked there and by the processor. Prints which differ. */
import { maskOf, narrow, pack, unpack } from '@esparse/kernels';
import { CudaArithmetic } from '../arithmetic.ts';
import { createUnpacker } from '../blocks/unpack.ts';

const PATTERNS = [
  [1, 2],
  [2, 4],
  [1, 4],
  [3, 4],
  [4, 8],
  [5, 8],
  [2, 6],
  [1, 16],
  [15, 16],
] as const;
const ROWS = [1, 16, 37];
const COLS = 96;

const gpu = CudaArithmetic.open();
gpu.load('block');
const outcomes: Record<string, { same: boolean; sound: boolean; seesTheSame: boolean }> = {};
for (const [keep, group] of PATTERNS) {
  for (const rows of ROWS) {
    const random = (i: number) => Math.sin(i * i + rows) + 0.3 * Math.cos(7 * i);
    const weights = Float32Array.from({ length: rows * COLS }, (_, i) => random(i));
    const scores = weights.map((weight) => Math.abs(weight));
    const permutation = Int32Array.from({ length: COLS }, (_, i) => (i * 35 + 11) % COLS);
    const mask = await maskOf(scores, rows, COLS, permutation, keep, group);
    const packed = await pack(narrow('bf16', weights), rows, COLS, permutation, mask, keep, group);
    const matrix = { ...{ rows, cols: COLS, keep, group, permutation }, ...packed };
    const expected = await unpack(packed, rows, COLS, permutation, keep, group);
    const unpacker = createUnpacker(gpu);
    const dense = await unpacker.unpack(matrix);
    const found = new Uint16Array(rows * COLS);
    gpu.download(dense.memory.address, found);
    const sound = unpacker.allSound();
    const damaged = packed.indices.slice();
    // Other choices: of many patterns none.
    damaged[damaged.length - 1]! ^= 0x81;
    gpu.release((await unpacker.unpack({ ...matrix, indices: damaged })).memory);
    const refused = await unpack({ ...packed, indices: damaged }, rows, COLS, permutation, keep, group).then(
      () => false,
      () => true,
    );
    outcomes[`${keep}:${group} of ${rows} rows`] = {
      same: found.every((value, i) => value === expected[i]),
      sound,
      seesTheSame: unpacker.allSound() !== refused,
    };
    gpu.release(dense.memory);
    unpacker.release();
  }
}
gpu.trim();
process.stdout.write(JSON.stringify({ outcomes, held: gpu.facts.heldBytes }));
gpu.close();
