import fc from 'fast-check';
import { openCheckpointIn } from './checkpoint.ts';
import { fusedBytes } from './fused-bytes.ts';
import { memoryFolder } from './testing/memory-folder.ts';
import { rawSafetensors } from './testing/raw-safetensors.ts';
import { bytesOf } from './views.ts';

test('parts that are put together are the parts that are read again: stacked, transposed, by turns, lists too', () =>
  fc.assert(
    fc.asyncProperty(
      fc.record({
        ...{ transposed: fc.boolean(), interleaved: fc.boolean(), list: fc.boolean() },
        stack: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
        rows: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 3 }),
        columns: fc.integer({ min: 1, max: 4 }),
      }),
      async ({ list, stack, rows: heights, columns, ...how }) => {
        const [transposed, interleaved] = [how.transposed && !list, how.interleaved];
        // Those that take turns have the same rows.
        const rows = interleaved ? heights.map(() => heights[0]!) : heights;
        const all = rows.reduce((sum, count) => sum + count, 0);
        const matrix = list ? [all] : transposed ? [columns, all] : [all, columns];
        const shape = stack === undefined ? matrix : [stack, ...matrix];
        const matrices = Array.from({ length: stack ?? 1 }, (_, m) =>
          rows.map((count, p) => ({ name: `${m}.${p}`, rows: count })),
        );
        const fused = {
          ...{ name: 'all', shape, transposed, interleaved, parts: matrices.flat() },
          ...(stack !== undefined && { stack }),
        };
        let next = 0;
        const values = new Map(
          fused.parts.map(({ name, rows: count }) => [
            name,
            Float32Array.from({ length: count * (list ? 1 : columns) }, () => next++),
          ]),
        );
        const bytes = Buffer.concat(
          matrices.map((parts) =>
            fusedBytes(
              fused,
              parts.map(({ name }) => bytesOf(values.get(name)!)),
              4,
            ),
          ),
        );
        const entry = { dtype: 'F32', shape, data_offsets: [0, bytes.length] };
        const checkpoint = await openCheckpointIn(
          memoryFolder({ 'config.json': '{}', 'model.safetensors': rawSafetensors({ all: entry }, bytes) }),
        );
        checkpoint.split(fused);
        for (const [name, expected] of values) {
          expect(Buffer.from(await checkpoint.read(name))).toEqual(Buffer.from(bytesOf(expected)));
        }
        await checkpoint.close();
      },
    ),
    { seed: 4, numRuns: 60 },
  ));
