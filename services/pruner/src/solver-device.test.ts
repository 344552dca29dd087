import { isSolver, openSolver } from './solver-device.ts';

test('a solver is the processor or a GPU by its number', () => {
  expect(['cpu', 'cuda', 'cuda:1'].every(isSolver)).toBe(true);
  expect(['gpu', 'cuda:', 'cuda:all', 'cuda:x', ''].some(isSolver)).toBe(false);
});

test('no device is opened where no stage uses one', async () => {
  const { device, close } = await openSolver('cuda:7', [{}]);
  expect(device).toBeUndefined();
  close();
});

test('another name is refused', async () => {
  await expect(openSolver('tpu', [{}])).rejects.toMatchObject({ kind: 'usage' });
});
