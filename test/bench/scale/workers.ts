import path from 'node:path';
import { esparseJson } from '../../support/esparse.ts';
import { EXAMPLE_CALIBRATION } from '../../support/repository.ts';
import { startWorkerProcess } from '../../support/workers.ts';
import { heading, print } from '../table.ts';
import { writeNoiseLlama } from './noise-model.ts';

/** The blocks of the 28 M model, half as many. */
const SHAPE = { hidden: 512, intermediate: 1408, heads: 8, kvHeads: 4, blocks: 4 };

/** Several workers of one thread each against one, and what crosses the wire where statistics are made. */
export async function benchWorkers(scratch: string): Promise<void> {
  heading('workers of one thread, 4 blocks of 512 / 1408, 128 x 512 tokens, --combine worker');
  const model = path.join(scratch, 'workers');
  await writeNoiseLlama(model, SHAPE);
  const prune = async (workers: number, combine: 'pruner' | 'worker') => {
    const started = await Promise.all(
      Array.from({ length: workers }, () => startWorkerProcess('--threads', '1', '--root', scratch)),
    );
    try {
      const report = await esparseJson(
        ...['prune', '--model', model, '--calibration', EXAMPLE_CALIBRATION, '--shuffle', 'global'],
        ...['--store', path.join(scratch, `workers-${workers}-${combine}`), '--combine', combine],
        ...started.flatMap(({ address }) => ['--worker', address]),
      );
      const { calibrate, advance } = report.seconds as Record<'calibrate' | 'advance', number>;
      return { seconds: calibrate + advance, bytes: Number(report.wireBytes) };
    } finally {
      await Promise.all(started.map(({ end }) => end('SIGTERM')));
    }
  };

  const one = await prune(1, 'worker');
  const two = await prune(2, 'worker');
  const tiles = await prune(1, 'pruner');
  print({ name: 'one worker, its phases', measured: `${one.seconds.toFixed(1)} s` });
  const faster = one.seconds / two.seconds;
  print({
    name: 'two workers against one',
    measured: `${faster.toFixed(2)} x`,
    target: '>= 1.6 x',
    met: faster >= 1.6,
  });
  print({ name: 'over the wire, --combine pruner', measured: `${(tiles.bytes / 1e6).toFixed(0)} MB` });
  for (const [name, { bytes }] of [
    ['one worker', one],
    ['two workers', two],
  ] as const) {
    const fewer = tiles.bytes / bytes;
    print({
      name: `  --combine worker, ${name}: fewer bytes`,
      measured: `${fewer.toFixed(0)} x`,
      target: '>= 20 x',
      met: fewer >= 20,
    });
  }
}
