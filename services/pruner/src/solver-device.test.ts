import { reconstruct } from '@esparse/reconstruction';
import { deviceBytes, isSolver, linearsOfGpu, openSolver } from './solver-device.ts';

test('a solver is the processor or GPUs by their numbers', () => {
  expect(['cpu', 'cuda', 'cuda:1', 'cuda:0,3', 'cuda:all'].every(isSolver)).toBe(true);
  expect(['gpu', 'cuda:', 'cuda:0,', 'cuda:all,1', 'cuda:x', ''].some(isSolver)).toBe(false);
});

test('no device is opened where no stage uses one', async () => {
  const { devices, close } = await openSolver('cuda:7', [{}]);
  expect(devices).toEqual([]);
  close();
});

test('another name is refused', async () => {
  await expect(openSolver('tpu', [{}])).rejects.toMatchObject({ kind: 'usage' });
});

test.each([
  ['7B', 4096, 11008, 80, 2],
  ['13B', 5120, 13824, 80, 2],
  ['13B', 5120, 13824, 16, 1],
  ['70B', 8192, 28672, 80, 1],
])(
  'of the %s shape (%d, %d) a GPU of %d GB works on %d linears at a time',
  (_, hidden, inner, gigabytes, linears) => {
    const pattern = { keep: 2, group: 4 };
    const down = { rows: hidden, cols: inner, pattern };
    const bytes = deviceBytes([reconstruct(), {}], [{ rows: inner, cols: hidden, pattern }, down]);
    expect(bytes).toBe(reconstruct().deviceBytes!(down));
    expect(linearsOfGpu(gigabytes * 1e9, bytes)).toBe(linears);
  },
);
