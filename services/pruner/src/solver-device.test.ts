import { isSolver, openSolver } from './solver-device.ts';

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
