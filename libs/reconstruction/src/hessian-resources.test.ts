import { EsparseError } from '@esparse/errors';
import type { StageDevice } from '@esparse/sparsity';
import { hessianOf } from './hessian-readers.ts';
import { openHessianResources } from './hessian-resources.ts';

const BOUND = 'ESPARSE_HESSIAN_MEMORY';

afterEach(() => {
  Reflect.deleteProperty(process.env, BOUND);
});

test('stages that are open at once have one bound of memory, until the last of them has released it', async () => {
  process.env[BOUND] = '0.5';
  const [one, other] = [openHessianResources(), openHessianResources()];
  const slab = await one.spill.allocate(2 ** 29);
  expect(slab.inMemory).toBe(true);
  expect((await other.spill.allocate(8)).inMemory).toBe(false);
  expect(await other.products()).toBe(await one.products());

  await one.release();
  await one.release();
  slab.release();
  expect((await other.spill.allocate(8)).inMemory).toBe(true);
  await other.release();
  await expect(other.spill.allocate(2 ** 30)).rejects.toMatchObject({ kind: 'cancelled' });

  const next = openHessianResources();
  expect(next.spill).not.toBe(one.spill);
  expect(next.spill.used()).toEqual({ memory: 0, file: 0 });
  await next.release();
});

test('what one stage has gathered, the other reads: the same Hessian, once', async () => {
  const [one, other] = [openHessianResources(), openHessianResources()];
  const [reader, second] = [hessianOf(one), hessianOf(other)];
  const state = reader.statistic.create(2, {});
  const data = Float32Array.of(1, 2, 3, 4);
  await reader.statistic.update(state, { data, rows: 2, channels: 2, endsSequence: true });
  const hessian = await reader.read(state, { sequences: 1 });
  const { memory } = one.spill.used();
  expect(await second.read(state, { sequences: 1 })).toBe(hessian);
  expect(Array.from(hessian.diagonal)).toEqual([10, 20]);
  expect(other.spill.used().memory).toBe(memory);
  // Each of them releases it.
  reader.release?.(hessian);
  second.release?.(hessian);
  reader.statistic.dispose?.(state);
  expect(one.spill.used().memory).toBe(0);
  await Promise.all([one.release(), other.release()]);
});

test('another bound of memory opens other resources', async () => {
  process.env[BOUND] = '0.5';
  const one = openHessianResources();
  process.env[BOUND] = '1';
  const other = openHessianResources();
  expect([one.spill.memory, other.spill.memory]).toEqual([2 ** 29, 2 ** 30]);
  await Promise.all([one.release(), other.release()]);
});

test('where a solver did not open, all else is released', async () => {
  const lost = new EsparseError('unavailable', 'the GPU is lost', { context: { device: 'lost' } });
  const device = {
    load: () => {
      throw lost;
    },
  } as unknown as StageDevice;
  const resources = openHessianResources();
  await expect(resources.solver(device)).rejects.toBe(lost);
  await resources.release();
  await expect(resources.spill.allocate(2 ** 33)).rejects.toMatchObject({ kind: 'cancelled' });
});
