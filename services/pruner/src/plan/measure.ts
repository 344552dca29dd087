import { open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Checkpoint, elementCount, type WeightSource } from '@esparse/checkpoint';
import { scoreByChannel } from '@esparse/kernels';
import { describeModel } from '@esparse/model';
import { createBlockRunner } from '@esparse/onnx';
import { maskLinear, packLinear, type Pattern, type Shuffle } from '@esparse/sparsity';
import { amplitude, entropy } from '@esparse/statistics';

/** How fast this machine does what a run is made of, seen for a moment; other machines and busier hours differ. */
export interface Rates {
  /** Floating-point operations a second of ONNX Runtime in a block of 1024 / 2816, f32. */
  readonly flops: number;
  /** Seconds a value to fold activations into amplitude and entropy. */
  readonly statistics: number;
  /** Seconds a weight to score, shuffle, mask and pack a linear of 1024 x 2048. */
  readonly prune: number;
  /** Bytes a second read of the checkpoint; from the page cache where it lies there. */
  readonly read: number;
  /** Bytes a second written and flushed to this machine's temporary folder. */
  readonly write: number;
}

/** The block that is run: small enough to be made in a moment, wide enough for the rate of large ones. */
const SHAPE = { hidden: 1024, intermediate: 2816 };
const TOKENS = 256;
const ROWS = 1024;
const COLS = 2048;
const IO_BYTES = 32 * 2 ** 20;

export interface MeasureOptions {
  readonly checkpoint: Checkpoint;
  /** A matrix of the checkpoint to read a piece of. */
  readonly tensor: string;
  readonly pattern: Pattern;
  readonly shuffle: Shuffle;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Measures for two or three seconds. */
export async function measureRates(options: MeasureOptions): Promise<Rates> {
  const { signal } = options;
  const flops = await flopsOf(options);
  signal?.throwIfAborted();
  const statistics = await secondsAValue();
  const prune = await secondsAWeight(options);
  signal?.throwIfAborted();
  return { flops, statistics, prune, read: await readRate(options), write: await writeRate() };
}

async function flopsOf({ threads }: MeasureOptions): Promise<number> {
  const { hidden, intermediate } = SHAPE;
  const description = describeModel({
    architectures: ['LlamaForCausalLM'],
    hidden_act: 'silu',
    rms_norm_eps: 1e-5,
    max_position_embeddings: TOKENS,
    hidden_size: hidden,
    intermediate_size: intermediate,
    num_hidden_layers: 1,
    num_attention_heads: 8,
    vocab_size: 2,
  });
  const runner = await createBlockRunner(description, { seqlen: TOKENS, threads });
  const block = await runner.load(0, constantWeights(description.linears));
  const input = new Float32Array(TOKENS * hidden).fill(0.5);
  const seconds = await leastOf(3, () => block.advance(input));
  await runner.release();
  const weights = description.linears.reduce((all, { rows, cols }) => all + rows * cols, 0);
  return (2 * TOKENS * weights) / seconds;
}

/** Weights of a size that neither vanishes nor grows. */
function constantWeights(
  linears: readonly {
    readonly rows: number;
    readonly cols: number;
    readonly weight: (block: number) => string;
  }[],
): WeightSource {
  const shapes = new Map(linears.map(({ rows, cols, weight }) => [weight(0), [rows, cols]] as const));
  const shape = (name: string) => shapes.get(name) ?? [SHAPE.hidden];
  const read = (name: string) => Promise.resolve(new Float32Array(elementCount(shape(name))).fill(0.01));
  return {
    has: (name) => shapes.has(name) || name.endsWith('norm.weight'),
    shape,
    read,
    readRows: read,
    readRowRange: read,
  };
}

async function secondsAValue(): Promise<number> {
  const data = noise(ROWS * COLS);
  const tile = { data, rows: ROWS, channels: COLS };
  const states = [amplitude.create(COLS, {}), entropy.create(COLS, {})] as const;
  const seconds = await leastOf(2, () =>
    Promise.all([amplitude.update(states[0], tile), entropy.update(states[1], tile)]),
  );
  entropy.dispose?.(states[1]);
  return seconds / data.length;
}

async function secondsAWeight({ pattern, shuffle, signal }: MeasureOptions): Promise<number> {
  const cols = COLS - (COLS % pattern.group);
  const weights = new Uint16Array(new Uint32Array(noise(ROWS * cols).buffer).map((bits) => bits >>> 16));
  const importance = new Float32Array(cols).fill(1);
  const seconds = await leastOf(1, async () => {
    const scores = await scoreByChannel('bf16', weights, ROWS, cols, importance);
    const matrix = { scores, rows: ROWS, cols };
    const { permutation } = await shuffle.order(matrix, pattern, signal);
    const mask = await maskLinear(matrix, permutation, pattern);
    await packLinear({ dtype: 'bf16', weights, rows: ROWS, cols }, permutation, mask, pattern);
  });
  return seconds / (ROWS * cols);
}

async function readRate({ checkpoint, tensor, signal }: MeasureOptions): Promise<number> {
  const { shape, begin, end } = checkpoint.info(tensor);
  const rows = shape[0] ?? 1;
  const count = Math.max(1, Math.min(rows, Math.floor((IO_BYTES * rows) / (end - begin))));
  const seconds = await leastOf(1, () => checkpoint.readRowRange(tensor, 0, count, signal));
  return (((end - begin) / rows) * count) / seconds;
}

async function writeRate(): Promise<number> {
  const file = path.join(tmpdir(), `esparse-plan-${process.pid}`);
  const bytes = new Uint8Array(noise(IO_BYTES / 4).buffer);
  try {
    const seconds = await leastOf(1, async () => {
      const handle = await open(file, 'w');
      try {
        await handle.writeFile(bytes);
        await handle.sync();
      } finally {
        await handle.close();
      }
    });
    return IO_BYTES / seconds;
  } finally {
    await rm(file, { force: true });
  }
}

/** Values like those of activations: some thousand different ones, again and again. */
function noise(count: number): Float32Array {
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = Math.sin(i % 4099) * (1 + (i % 7));
  return values;
}

/** Seconds of some work: the least of some times, after one that warms up where there are several. */
async function leastOf(times: number, work: () => Promise<unknown>): Promise<number> {
  if (times > 1) await work();
  let least = Infinity;
  for (let i = 0; i < times; i++) {
    const started = performance.now();
    await work();
    least = Math.min(least, (performance.now() - started) / 1000);
  }
  return least;
}
