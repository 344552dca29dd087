import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { NO_STATE } from '@esparse/report-page';
import { createPruneMetrics } from './metrics.ts';

test('docs/observability.md names every metric of a run, and no other', async () => {
  const state = { ...NO_STATE, estimate: { done: 0, left: 1 } };
  const names = [...(await createPruneMetrics().read(state)).matchAll(/^# TYPE esparse_prune_(\w+)/gm)].map(
    ([, name]) => name!,
  );
  const text = await readFile(path.join(import.meta.dirname, '../../../../docs/observability.md'), 'utf8');
  const [table = ''] = text.slice(text.indexOf('| `esparse_prune_…`')).split('\n\n');
  const rows = table
    .split('\n')
    .slice(2)
    .map((row) => row.split('|')[1] ?? '');
  const documented = rows.flatMap((row) =>
    [...row.matchAll(/`(\w+)(?:\{[\w,]+\})?`/g)].map(([, name]) => name!),
  );
  expect(documented.sort()).toEqual(names.sort());
});
