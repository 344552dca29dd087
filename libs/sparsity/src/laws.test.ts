import { metricLaws, shuffleLaws } from '@esparse/laws';
import { both, eSparse, global, local, lsa, magnitude, none, ria, wanda } from './index.ts';

/** Built-ins keep the laws by which their authors' own plug-ins are tested, through the same door. */

test.each([magnitude(), wanda(), ria(), eSparse(), eSparse({ range: 'tap', alpha: 0 })])(
  'the metric $name with $options keeps the laws of metrics',
  (metric) => metricLaws(metric),
);

test.each([none(), local()])(
  'the shuffle $name keeps the laws of shuffles, and no less than the original order',
  (shuffle) => shuffleLaws(shuffle, { improves: true }),
);

test.each([global(), both(), lsa()])('the shuffle $name keeps the laws of shuffles', (shuffle) =>
  shuffleLaws(shuffle),
);

test('dealing channels by their mean alone may keep less than the original order', async () => {
  await expect(shuffleLaws(global(), { improves: true })).rejects.toThrow('less than the');
});
