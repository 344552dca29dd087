import { canonical, fingerprintOf } from './fingerprint.ts';

test('the order of keys does not change a fingerprint, any value does', () => {
  const a = fingerprintOf({ model: 'm', options: { alpha: 1, bins: 100 } });
  expect(a).toMatch(/^[0-9a-f]{32}$/);
  expect(fingerprintOf({ options: { bins: 100, alpha: 1 }, model: 'm' })).toBe(a);
  expect(fingerprintOf({ options: { bins: 100, alpha: 2 }, model: 'm' })).not.toBe(a);
});

test('canonical JSON is JSON', () => {
  const value = { b: [1, null, { d: 'x"y', c: true }], a: 0.5 };
  expect(JSON.parse(canonical(value))).toEqual(value);
  expect(canonical(value)).toBe('{"a":0.5,"b":[1,null,{"c":true,"d":"x\\"y"}]}');
});
