import { layerOptions, pattern } from './pattern.ts';

test('a pattern is keep:group, or dense', () => {
  expect(pattern('4:8')).toEqual({ keep: 4, group: 8 });
  expect(pattern('dense')).toBe('dense');
  for (const bad of ['8:4', '2', '0:4', '2:32', 'two:four', 'Dense', ''])
    expect(() => pattern(bad)).toThrow('or dense');
});

test('dense is a rule for every linear, before those that are given', () => {
  const layer = [{ glob: '*.down_proj', pattern: { keep: 1, group: 4 } }];
  expect(layerOptions({ pattern: 'dense', layer })).toEqual({
    pattern: { keep: 2, group: 4 },
    layers: [{ glob: '*', pattern: 'dense' }, ...layer],
  });
  expect(layerOptions({ pattern: { keep: 4, group: 8 }, layer })).toEqual({
    pattern: { keep: 4, group: 8 },
    layers: layer,
  });
});
