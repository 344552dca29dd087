import { fingerprintOf } from './fingerprint.ts';

test('the order of keys does not change a fingerprint, any value does', () => {
  const a = fingerprintOf({ model: 'm', options: { alpha: 1, bins: 100 } });
  expect(a).toMatch(/^[0-9a-f]{32}$/);
  expect(fingerprintOf({ options: { bins: 100, alpha: 1 }, model: 'm' })).toBe(a);
  expect(fingerprintOf({ options: { bins: 100, alpha: 2 }, model: 'm' })).not.toBe(a);
});
