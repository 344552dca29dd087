import { openDevice } from './device.ts';
import { prepareProcess } from './prepare-process.ts';

const before = process.env.NVIDIA_TF32_OVERRIDE;

beforeEach(() => {
  delete process.env.NVIDIA_TF32_OVERRIDE;
});

afterAll(() => {
  if (before !== undefined) process.env.NVIDIA_TF32_OVERRIDE = before;
});

test.each(['cpu', 'webgpu'] as const)('nothing is set for %s', (device) => {
  prepareProcess(device);
  expect(process.env.NVIDIA_TF32_OVERRIDE).toBeUndefined();
});

test('CUDA is told to compute in whole f32', () => {
  prepareProcess('cuda');
  expect(process.env.NVIDIA_TF32_OVERRIDE).toBe('0');
});

test('so is it by whoever opens the device, whether it is there or not', async () => {
  await openDevice('cuda').then(
    (device) => device.release(),
    () => undefined,
  );
  expect(process.env.NVIDIA_TF32_OVERRIDE).toBe('0');
});

test('a variable that is set already stays as it is', () => {
  process.env.NVIDIA_TF32_OVERRIDE = '1';
  prepareProcess('cuda');
  expect(process.env.NVIDIA_TF32_OVERRIDE).toBe('1');
});
