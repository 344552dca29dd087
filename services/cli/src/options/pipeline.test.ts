import { configuredPipeline, settings, settingValue } from './pipeline.ts';

test('a value is JSON where it reads as JSON, else text', () => {
  expect(['2', '0.5', 'true', '[1,2]', '"2"', 'tap', '2:4'].map(settingValue)).toEqual([
    2,
    0.5,
    true,
    [1, 2],
    '2',
    'tap',
    '2:4',
  ]);
});

test('--set may be repeated, and a variable holds one a line', () => {
  expect(settings('bins=50', settings('alpha=2', undefined))).toEqual({ alpha: 2, bins: 50 });
  expect(settings('alpha=2\nrange=tap\n', undefined)).toEqual({ alpha: 2, range: 'tap' });
  expect(settings('text=a=b', undefined)).toEqual({ text: 'a=b' });
  for (const wrong of ['alpha', '=2', 'a b=2'])
    expect(() => settings(wrong, undefined)).toThrow('OPTION=VALUE');
});

test('a short form sets the option of its name', async () => {
  const set = { bins: 9 };
  const { options } = await configuredPipeline({
    pipeline: 'e-sparse',
    alpha: 2,
    entropyRange: 'tap',
    set,
    pluginTimeout: 60,
  });
  expect(options).toEqual({ alpha: 2, bins: 9, range: 'tap', shuffle: 'both' });
});

test.each([
  [
    'of an option that the pipeline does not have',
    { pipeline: 'wanda', alpha: 2 },
    'pipeline wanda has no option alpha',
  ],
  ['out of range', { pipeline: 'e-sparse', shuffle: 'all' }, 'shuffle is "all"'],
  [
    'beside --set',
    { pipeline: 'e-sparse', alpha: 2, set: { alpha: 3 } },
    'alpha is given by --set and by its short',
  ],
])('a short form %s is refused by name', async (_what, flags, message) => {
  await expect(configuredPipeline({ ...flags, pluginTimeout: 60 })).rejects.toThrow(message);
});
