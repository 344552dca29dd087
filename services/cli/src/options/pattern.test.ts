import { pattern } from './pattern.ts';

test('a pattern is keep:group', () => {
  expect(pattern('4:8')).toEqual({ keep: 4, group: 8 });
  for (const bad of ['8:4', '2', '0:4', '2:32', 'two:four']) expect(() => pattern(bad)).toThrow();
});
