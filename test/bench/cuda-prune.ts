/**
 * `npm run bench:cuda -- --only prune [--torch PYTHON]`: the pruner's arithmetic on an NVIDIA GPU, of linears of the 7B shape: Hessians
 * and drift folded there, conjugate gradients, masks chosen anew, SparseGPT. With `--torch`, `test/python/torch_pruning.py` does the
 * same in PyTorch on the same card, before and after.
 */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { arithmeticId, CudaArithmetic } from '@esparse/cuda';
import { narrow } from '@esparse/kernels';
import {
  deviceSolver,
  driftStatistic,
  gramStatistic,
  openHessianResources,
  type Hessian,
  type HessianResources,
} from '@esparse/reconstruction';
import { maskLinear, type Pattern, type StageDevice } from '@esparse/sparsity';
import type { DeviceTile } from '@esparse/statistics';
import { seededNumbers } from '../support/random-model.ts';
import { heading, print } from './table.ts';

/** Linears of the shape, (rows, cols). */
const LINEARS = [
  [4096, 4096],
  [11008, 4096],
  [4096, 11008],
] as const;
const SEQLEN = 2048;
/** Sequences that are on the GPU at once, and how often they are added: 128 in all. */
const SEQUENCES = 8;
const ROUNDS = 16;
const STEPS = 64;
const SWEEPS = 3;
const PATTERN: Pattern = { keep: 2, group: 4 };
const SCRIPT = path.join(import.meta.dirname, '../../python/torch_pruning.py');

/** Seconds of each part. */
interface Seconds {
  readonly gram: number;
  readonly drift: number;
  readonly survivors: number;
  readonly refine: number;
  readonly sparseGpt: number;
}

/** What PyTorch times of the same: it has no peer of the others. */
type TorchSeconds = Pick<Seconds, 'gram' | 'survivors' | 'sparseGpt'>;

export async function benchPruning(torch: string | undefined): Promise<void> {
  const gpu = CudaArithmetic.open();
  const device: StageDevice = Object.assign(gpu, { id: arithmeticId(gpu) });
  const resources = openHessianResources();
  try {
    for (const [rows, cols] of LINEARS) {
      heading(`${rows} x ${cols}, ${SEQUENCES * ROUNDS} sequences of ${SEQLEN} tokens, ${gpu.facts.name}`);
      const before = torchSeconds(torch, rows, cols);
      const ours = await secondsOf(gpu, device, resources, rows, cols);
      const after = torchSeconds(torch, rows, cols);
      const flops: Readonly<Record<keyof Seconds, number>> = {
        gram: SEQUENCES * ROUNDS * SEQLEN * cols * cols,
        drift: 4 * SEQUENCES * ROUNDS * SEQLEN * cols * cols,
        survivors: (STEPS + 1) * 2 * rows * cols * cols,
        refine: (SWEEPS + 1) * 2 * rows * cols * cols,
        sparseGpt: (2 * cols + rows) * cols * cols,
      };
      for (const [part, name] of Object.entries(NAMES) as [keyof Seconds, string][]) {
        const rate = `${(flops[part] / ours[part] / 1e12).toFixed(1)} TFLOP/s`;
        print({ name, measured: `${(1000 * ours[part]).toFixed(1)} ms, ${rate}` });
        const [one, other] = [before, after].map((of) => of?.[part as keyof TorchSeconds]);
        if (one === undefined || other === undefined) continue;
        const ratio = (one + other) / 2 / ours[part];
        const measured = `${(500 * (one + other)).toFixed(1)} ms, ours at ${ratio.toFixed(2)} x its rate`;
        print({ name: '  PyTorch', measured, target: '>= 1 x', met: ratio >= 1 });
      }
    }
  } finally {
    await resources.release();
    gpu.close();
  }
}

const NAMES: Readonly<Record<keyof Seconds, string>> = {
  gram: 'Hessian, activations on the GPU',
  drift: 'drift, activations on the GPU',
  survivors: `conjugate gradients, ${STEPS} steps, weights from and to the host`,
  refine: `masks chosen anew, ${SWEEPS} times`,
  sparseGpt: 'SparseGPT, weights from and to the host',
};

function torchSeconds(torch: string | undefined, rows: number, cols: number): TorchSeconds | undefined {
  if (torch === undefined) return undefined;
  const shape = { rows, cols, seqlen: SEQLEN, sequences: SEQUENCES, rounds: ROUNDS, steps: STEPS };
  const text = execFileSync(torch, [SCRIPT, JSON.stringify(shape)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  return JSON.parse(text) as TorchSeconds;
}

async function secondsOf(
  gpu: CudaArithmetic,
  device: StageDevice,
  resources: HessianResources,
  rows: number,
  cols: number,
): Promise<Seconds> {
  const random = randomValues(cols);
  const tokens = SEQUENCES * SEQLEN;
  const own = gpu.allocate(2 * tokens * cols);
  const dense = gpu.allocate(2 * tokens * cols);
  for (let s = 0; s < SEQUENCES; s++) {
    const values = random(SEQLEN * cols);
    gpu.upload(own.address + 2 * s * values.length, narrow('bf16', values));
    gpu.upload(
      dense.address + 2 * s * values.length,
      narrow(
        'bf16',
        values.map((value) => 1.02 * value),
      ),
    );
  }
  const tile: DeviceTile = {
    ...{ address: own.address, dense: dense.address, type: 'bf16' },
    ...{ rows: tokens, channels: cols, seqlen: SEQLEN },
  };
  const folding = (name: 'gram' | 'drift') => {
    const statistic = name === 'gram' ? gramStatistic(resources) : driftStatistic(resources);
    const fold = statistic.onDevice!(gpu, cols);
    fold.update(tile);
    gpu.wait();
    const started = performance.now();
    for (let round = 1; round <= ROUNDS; round++) fold.update(tile);
    gpu.wait();
    return { statistic, fold, seconds: (performance.now() - started) / 1000 };
  };
  const drift = folding('drift');
  drift.fold.release();
  const gram = folding('gram');
  const state = gram.statistic.deserialise(gram.statistic.serialise(gram.fold.finish()), cols);
  const arriving = gram.statistic.pieces!.receive(cols);
  for (let i = 0, piece = gram.fold.piece!(0); piece !== undefined; piece = gram.fold.piece!(++i))
    await arriving.add(piece);
  arriving.complete(state);
  gram.fold.release();
  for (const memory of [own, dense]) gpu.release(memory);
  gpu.trim();
  const hessian = await gram.statistic.finish(state);
  try {
    const solved = await secondsOfSolving(device, { hessian, rows, cols, weights: random(rows * cols) });
    return { gram: gram.seconds, drift: drift.seconds, ...solved };
  } finally {
    hessian.release();
    gpu.trim();
  }
}

interface Linear {
  readonly hessian: Hessian;
  readonly rows: number;
  readonly cols: number;
  readonly weights: Float32Array;
}

async function secondsOfSolving(device: StageDevice, linear: Linear) {
  const { rows, cols, weights, hessian } = linear;
  const permutation = Int32Array.from({ length: cols }, (_, i) => i);
  const mask = await maskLinear({ scores: weights.map(Math.abs), rows, cols }, permutation, PATTERN);
  const bytes = Math.ceil(cols / 8);
  const kept = Float32Array.from(weights, (_, i) => {
    const [r, c] = [Math.floor(i / cols), i % cols];
    return (mask[r * bytes + (c >> 3)]! >> (c & 7)) & 1;
  });
  const trace = hessian.diagonal.reduce((sum, value) => sum + value, 0);
  const problem = { ...linear, damping: (0.01 * trace) / cols, permutation, pattern: PATTERN };
  const solver = deviceSolver(device);
  const timed = async <R>(work: () => Promise<R>): Promise<readonly [number, R]> => {
    // The first time kernels are compiled, and algorithms looked up.
    await work();
    const started = performance.now();
    const result = await work();
    return [(performance.now() - started) / 1000, result];
  };
  try {
    const [survivors, solved] = await timed(() =>
      solver.survivors({ ...problem, kept }, { steps: STEPS, tolerance: 0 }),
    );
    const [refine] = await timed(() => solver.refine(problem, solved.slice(), { sweeps: SWEEPS }));
    const [sparseGpt] = await timed(() => solver.sparseGpt(problem));
    return { survivors, refine, sparseGpt };
  } finally {
    solver.release();
  }
}

/** Made-up values of neighbours that are alike, as activations' are. */
function randomValues(cols: number): (length: number) => Float32Array {
  const noise = seededNumbers(1);
  return (length) => {
    const values = new Float32Array(length);
    for (let i = 0; i < length; i++) values[i] = 2 * noise() - 1 + (i % cols > 0 ? 0.5 * values[i - 1]! : 0);
    return values;
  };
}
