import path from 'node:path';
import { openCheckpoint } from './checkpoint.ts';
import { tempDir } from './testing/temp-dir.ts';
import { checkpointWeights } from './weight-source.ts';
import { writeCheckpoint } from './write-checkpoint.ts';

test('a checkpoint gives its weights as f32, whatever type they are stored in', async () => {
  const directory = path.join(tempDir(), 'model');
  const f32 = Float32Array.of(1, 2, 3, 4, 5, 6);
  await writeCheckpoint(directory, {}, [
    { name: 'f', dtype: 'F32', shape: [3, 2], data: () => new Uint8Array(f32.buffer) },
    { name: 'b', dtype: 'BF16', shape: [1, 2], data: () => Uint8Array.of(0x80, 0x3f, 0, 0xc0) },
    { name: 'h', dtype: 'F16', shape: [1], data: () => Uint8Array.of(0, 0x3c) },
  ]);
  const checkpoint = await openCheckpoint(directory);
  const weights = checkpointWeights(checkpoint);
  expect(weights.has('f')).toBe(true);
  expect(weights.has('g')).toBe(false);
  expect(weights.shape('f')).toEqual([3, 2]);
  expect(() => weights.shape('g')).toThrow('has no tensor g');
  expect(await weights.read('f')).toEqual(f32);
  expect(await weights.read('b')).toEqual(Float32Array.of(1, -2));
  expect(await weights.read('h')).toEqual(Float32Array.of(1));
  expect(await weights.readRows('f', Uint32Array.of(2, 0, 2))).toEqual(Float32Array.of(5, 6, 1, 2, 5, 6));
  expect(await weights.readRowRange('f', 1, 3)).toEqual(Float32Array.of(3, 4, 5, 6));
  await checkpoint.close();
});
