import type { Stage } from '@esparse/sparsity';
import { numericsOf, thenRelease } from './stages.ts';

const stage = (parts: Partial<Stage>): Stage => ({
  name: 'mine',
  statistics: {},
  run: () => Promise.resolve({}),
  ...parts,
});
const guard = { timeoutMs: 50 };

test('what each stage holds is released however the work ends', async () => {
  let released = 0;
  const release = () => {
    released++;
    return Promise.resolve();
  };
  const stages = [stage({ release }), stage({}), stage({ release })];
  expect(await thenRelease(stages, guard, () => Promise.resolve(7))).toBe(7);
  expect(released).toBe(2);
  await expect(thenRelease(stages, guard, () => Promise.reject(new Error('broken')))).rejects.toThrow(
    'broken',
  );
  expect(released).toBe(4);
});

test('a stage that cannot be released, or never is, is named, after an error of the work', async () => {
  const failing = [stage({ release: () => Promise.reject(new Error('stuck')) })];
  const work = () => Promise.resolve();
  await expect(thenRelease(failing, guard, work)).rejects.toMatchObject({
    kind: 'usage',
    message: 'stage mine, release(): stuck',
  });
  await expect(thenRelease(failing, guard, () => Promise.reject(new Error('first')))).rejects.toThrow(
    'first',
  );
  const hanging = [stage({ release: () => new Promise<void>(() => undefined) })];
  await expect(thenRelease(hanging, guard, work)).rejects.toThrow('stage mine, release(): no result after');
});

test('numerics are those of each stage that has some; whatever else a stage gives is refused by its name', async () => {
  const of = (found: unknown) => stage({ numerics: () => Promise.resolve(found as string) });
  expect(await numericsOf([of('a/1'), stage({}), of('b/2')], guard)).toEqual(['a/1', 'b/2']);
  await expect(numericsOf([of(5)], guard)).rejects.toThrow(
    'stage mine, numerics(): it gives 5, expected a text',
  );
});
