import { createServedModels, type ServedModel } from './served-model.ts';
import type { TextSide } from './text-side.ts';

const text = (digest: string) => ({ digest }) as TextSide;
const model = (id: number, textSide = text('t')) => ({ id, text: textSide }) as ServedModel;
const closingInto = (closed: number[], texts: string[] = []) => ({
  model: ({ id }: ServedModel) => closed.push(id),
  text: ({ digest }: TextSide) => texts.push(digest),
});

test('a model that was replaced is closed when its last request has ended, and not before', () => {
  const closed: number[] = [];
  const models = createServedModels(closingInto(closed));
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
  const models = createServedModels(closingInto(closed));
  models.replace(model(0));
  models.lease()!.release();
  expect(closed).toEqual([]);
  models.replace(model(1));
  expect(closed).toEqual([0]);
});

test('a text side is closed with the last model that has it', () => {
  const texts: string[] = [];
  const models = createServedModels(closingInto([], texts));
  const [shared, other] = [text('shared'), text('other')];
  models.replace(model(0, shared));
  const lease = models.lease()!;
  models.replace(model(1, shared));
  models.replace(model(2, other));
  expect(texts).toEqual([]);
  lease.release();
  expect(texts).toEqual(['shared']);
  models.closeTexts();
  expect(texts).toEqual(['shared', 'other']);
});
