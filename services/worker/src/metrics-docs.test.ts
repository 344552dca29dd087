import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { createWorkerMetrics } from './metrics.ts';

test('docs/observability.md names every metric of a worker, and no other', async () => {
  const metrics = createWorkerMetrics({ waiting: () => 0 });
  const names = [...(await metrics.read()).matchAll(/^# TYPE esparse_worker_(\w+)/gm)].map(
    (match) => match[1],
  );
  metrics.stop();
  const text = await readFile(path.join(import.meta.dirname, '../../../docs/observability.md'), 'utf8');
  const table = text.slice(text.indexOf('| `esparse_worker_…`'), text.indexOf('Those of `esparse serve`'));
  const documented = [...table.matchAll(/^\| `(\w+)(?:\{[\w,]+\})?`/gm)].map((match) => match[1]);
  expect(documented).toEqual(names);
});
