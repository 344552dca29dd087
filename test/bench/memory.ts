import path from 'node:path';
import { writeRandomLlama } from '../support/random-model.ts';
import { EXAMPLE_CALIBRATION } from '../support/repository.ts';
import { esparseJson } from '../support/esparse.ts';
import { heading, print } from './table.ts';

const SHAPE = { hidden: 256, intermediate: 704, heads: 4, kvHeads: 2 };
const MIB = 1024 * 1024;

/** Peak resident size of prune plus worker on a model of 8 blocks and on one of 64. */
export async function benchMemory(scratch: string): Promise<void> {
  heading('peak resident size of prune plus worker, by the number of blocks');
  const peaks: number[] = [];
  for (const blocks of [8, 64]) {
    const model = path.join(scratch, `blocks-${blocks}`);
    await writeRandomLlama(model, { ...SHAPE, blocks });
    const report = await esparseJson(
      'prune',
      '--model',
      model,
      '--calibration',
      EXAMPLE_CALIBRATION,
      '--store',
      path.join(scratch, `store-${blocks}`),
      '--samples',
      '16',
    );
    const { pruner, workers } = report.peakResidentBytes as { pruner: number; workers: number[] };
    const peak = pruner + workers.reduce((sum, bytes) => sum + bytes, 0);
    peaks.push(peak);
    print({
      name: `${blocks} blocks`,
      measured: `${(peak / MIB).toFixed(0)} MiB`,
      target: `${(pruner / MIB).toFixed(0)} + ${workers.map((bytes) => (bytes / MIB).toFixed(0)).join(' + ')}`,
    });
  }
  const growth = peaks[1]! / peaks[0]!;
  print({
    name: '64 blocks against 8',
    measured: `${growth.toFixed(3)} x`,
    target: '<= 1.10 x',
    met: growth <= 1.1,
  });
}
