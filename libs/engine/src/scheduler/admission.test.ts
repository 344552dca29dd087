import { createAdmission } from './admission.ts';

test('slots are acquired all or none, never more than there are, and are released once', () => {
  const admission = createAdmission(2, 1);
  expect(admission.slots).toBe(3);
  const two = admission.acquire(2)!;
  expect(admission.acquire(2)).toBeUndefined();
  const [one] = admission.acquire(1)!;
  expect(admission.acquire(1)).toBeUndefined();
  one!.release();
  one!.release();
  expect(admission.held).toBe(2);
  for (const slot of two) slot.release();
  expect(admission.acquire(3)).toHaveLength(3);
});

test('a client is asked to come back after a second at least', () => {
  expect(createAdmission(1, 0).retryAfter()).toBe(1);
});
