import { both, global, parsePattern, type ScoreMatrix } from '@esparse/sparsity';
import { greedyToConvergence } from '../support/greedy-shuffle.ts';
import { seededNumbers } from '../support/random-model.ts';
import { heading, print, secondsOf } from './table.ts';

const SIZE = 4096;
const SMALL_ROWS = 64;
const SMALL_COLS = 512;

/** The local block shuffle of one linear: time, and kept score against a greedy search that runs to convergence. */
export async function benchLocalShuffle(): Promise<void> {
  heading(`local block shuffle of one ${SIZE} x ${SIZE} linear at 2:4`);
  const pattern = parsePattern('2:4');
  const large = scoresOf(SIZE, SIZE);
  let kept = 0;
  const seconds = await secondsOf(async () => {
    kept = (await both().order(large, pattern)).keptAfter;
  });
  const globalAlone = (await global().order(large, pattern)).keptAfter;
  print({
    name: 'global and local shuffle',
    measured: `${seconds.toFixed(2)} s`,
    target: '< 10 s',
    met: seconds < 10,
  });
  print({
    name: 'kept score against global alone',
    measured: (kept / globalAlone).toFixed(6),
    target: '>= 1',
    met: kept >= globalAlone,
  });

  // The plain search takes minutes on the large matrix; the law is the same on a small one.
  const small = scoresOf(SMALL_ROWS, SMALL_COLS);
  const found = (await both().order(small, pattern)).keptAfter;
  const plain = greedyToConvergence(small, pattern, (await global().order(small, pattern)).permutation);
  print({
    name: `kept score against a plain greedy search, ${SMALL_ROWS} x ${SMALL_COLS}`,
    measured: (found / plain).toFixed(8),
    target: '>= 1 - 1e-6',
    met: found / plain >= 1 - 1e-6,
  });
}

/** |Gaussian| times a scale per column, log-normal: what |W| (IE + AM) looks like. */
function scoresOf(rows: number, cols: number): ScoreMatrix {
  const random = seededNumbers(7);
  const gaussian = () => (random() + random() + random() + random() - 2) * 1.7;
  const scale = Float64Array.from({ length: cols }, () => Math.exp(0.5 * gaussian()));
  const scores = Float32Array.from(
    { length: rows * cols },
    (_, i) => Math.abs(gaussian()) * scale[i % cols]!,
  );
  return { scores, rows, cols };
}
