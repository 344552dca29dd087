import { createAdmission } from './admission.ts';

test('places are taken all or none, never more than there are, and come back once', () => {
  const admission = createAdmission(2, 1);
  expect(admission.places).toBe(3);
  const two = admission.enter(2)!;
  expect(admission.enter(2)).toBeUndefined();
  const [one] = admission.enter(1)!;
  expect(admission.enter(1)).toBeUndefined();
  one!.leave();
  one!.leave();
  expect(admission.taken).toBe(2);
  for (const place of two) place.leave();
  expect(admission.enter(3)).toHaveLength(3);
});

test('a client is told to come back after a second at least', () => {
  expect(createAdmission(1, 0).retryAfter()).toBe(1);
});
