import path from 'node:path';
import { emulatedGpu } from './testing/emulated-gpu.ts';

const gpu = emulatedGpu();
afterAll(() => {
  gpu.remove();
});

test('devices that are open on one GPU beside each other give back what they do not use where one finds no room', () => {
  const found = gpu.run(path.join(import.meta.dirname, 'testing/room-case.ts'), 'memory=64000000');
  expect(found).toEqual({ beside: 'room', used: 'unavailable', apart: 'unavailable' });
});
