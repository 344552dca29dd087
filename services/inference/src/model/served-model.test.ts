import { createServedModels, type ServedModel } from './served-model.ts';

const model = (id: number) => ({ id }) as ServedModel;

test('a model that was replaced is closed when its last request has ended, and not before', () => {
  const closed: number[] = [];
  const models = createServedModels(({ id }) => closed.push(id));
  expect(models.lease()).toBeUndefined();
  models.replace(model(0));
  const [first, second] = [models.lease()!, models.lease()!];
  models.replace(model(1));
  expect(models.lease()!.model.id).toBe(1);
  first.release();
  first.release();
  expect(closed).toEqual([]);
  second.release();
  expect(closed).toEqual([0]);
});

test('a model without requests is closed at once when it is replaced, and the current one never', () => {
  const closed: number[] = [];
  const models = createServedModels(({ id }) => closed.push(id));
  models.replace(model(0));
  models.lease()!.release();
  expect(closed).toEqual([]);
  models.replace(model(1));
  expect(closed).toEqual([0]);
});
