/**
 * `npm run bench:linear`: the linears of a LLaMA of 1.1B parameters, 2:4, 4:8 and dense bf16, against what the memory
 * gives. Every call finds its weights out of the caches: it goes through copies of more than a gigabyte in turn. Calls for
 * one token and readings of as many bytes alternate; each is timed by itself, and of both the same quantile counts: what
 * else runs on the machine disturbs single calls, and both kinds alike.
 */
import {
  openInferenceKernels,
  packedLayout,
  indicesOf,
  quantizedLayout,
  spanOf,
  VECTOR_BYTES,
  type Linear,
  type LinearWeights,
  type PackedWeights,
  type QuantizedShape,
} from '@esparse/kernels';
import { Command } from 'commander';
import { heading, print } from './table.ts';

/** Of each kind of integers. */
const BITS = { int8: 8, int4: 4, int3: 3 } as const;

const flags = new Command('bench:linear')
  .option('--threads <n>', 'compute threads (default: all processors)')
  .option('--bytes <n>', 'weights of one shape that are read in turn, in MB', '1100')
  .option('--rounds <n>', 'rounds over everything', '5')
  .option('--only <kind...>', 'of 2:4, 4:8, dense; 2:4-int8, dense-int4 and so on', ['2:4', '4:8', 'dense'])
  .option('--prefill <tokens>', 'tokens of a long call', '128')
  .parse()
  .opts<{ threads?: string; bytes: string; rounds: string; only: string[]; prefill: string }>();

/** The linears of one block, and how many of each it has. */
const SHAPES = [
  { rows: 2048, cols: 2048, count: 2 },
  { rows: 256, cols: 2048, count: 2 },
  { rows: 5632, cols: 2048, count: 2 },
  { rows: 2048, cols: 5632, count: 1 },
];
const BLOCKS = 22;
const PREFILL = Number(flags.prefill);
const TOKENS = [1, 4, 8, 16, PREFILL];
const QUANTILE = 0.2;
/** Multiplications of one round of the long call: it need not leave the caches. */
const LONG_WORK = 20e9;

const kernels = openInferenceKernels({
  threads: flags.threads === undefined ? undefined : Number(flags.threads),
});
const memory = new Float32Array(600e6 / 4).fill(1);
let nextByte = 0;
heading(`linears of a LLaMA 1.1B on ${kernels.instructionSet}, ${kernels.threads} threads`);
for (const kind of flags.only) bench(kind);

function bench(kind: string): void {
  /** Seconds of all linears of the model, by the number of tokens. */
  const whole = new Map(TOKENS.map((tokens) => [tokens, 0]));
  let wholeBytes = 0;
  let readingAll = 0;
  for (const { rows, cols, count } of SHAPES) {
    const { linears, bytes } = copies(kind, rows, cols);
    const times = new Map(TOKENS.map((tokens): [number, number[]] => [tokens, []]));
    const readings: number[] = [];
    for (let round = 0; round < Number(flags.rounds); round++) {
      for (const tokens of TOKENS) {
        const calls = tokens === PREFILL ? Math.ceil(LONG_WORK / (tokens * rows * cols)) : linears.length;
        const reading = tokens === 1 ? () => readings.push(readingSeconds(bytes)) : undefined;
        times.get(tokens)!.push(...callSeconds(linears.slice(0, calls), tokens, reading));
      }
    }
    const seconds = new Map([...times].map(([tokens, each]) => [tokens, quantile(each)]));
    const probe = bytes / quantile(readings);
    readingAll += quantile(readings) * count * BLOCKS;
    wholeBytes += bytes * count * BLOCKS;
    for (const [tokens, each] of seconds) whole.set(tokens, whole.get(tokens)! + each * count * BLOCKS);
    const name = `${kind}, ${rows} x ${cols}`;
    const rate = (tokens: number) => bytes / seconds.get(tokens)!;
    for (const tokens of TOKENS.slice(0, -1)) {
      print({
        name: `${name}, ${tokens} ${tokens === 1 ? 'token' : 'tokens'}`,
        measured: `${(rate(tokens) / 1e9).toFixed(1)} GB/s`,
        target: `${((100 * rate(tokens)) / probe).toFixed(0)} % of ${(probe / 1e9).toFixed(1)}`,
      });
    }
    const flops = (2 * PREFILL * rows * cols) / seconds.get(PREFILL)!;
    print({
      name: `${name}, ${PREFILL} tokens`,
      measured: `${(flops / 1e9).toFixed(0)} GFLOP/s`,
      target: 'as if dense',
    });
  }
  const share = readingAll / whole.get(1)!;
  const least = kind === 'dense' ? 0.95 : 0.9;
  print({
    name: `${kind}, all linears, 1 token: ${(wholeBytes / 1e6).toFixed(0)} MB, ${tokensPerSecond(1)} tokens/s`,
    measured: `${(wholeBytes / whole.get(1)! / 1e9).toFixed(1)} GB/s`,
    target: `>= ${100 * least} % (${(100 * share).toFixed(0)} %)`,
    met: share >= least,
  });
  const eight = whole.get(8)! / whole.get(1)!;
  print({
    name: `${kind}, all linears, 8 tokens: ${tokensPerSecond(8)} tokens/s`,
    measured: `${eight.toFixed(2)} x of one`,
    ...(kind === '2:4' && { target: '< 1.8 x', met: eight < 1.8 }),
  });
  const long = PREFILL / whole.get(PREFILL)!;
  print({
    name: `${kind}, all linears, ${PREFILL} tokens`,
    measured: `${long.toFixed(0)} tokens/s`,
    ...(kind === '2:4' && { target: '>= 100', met: long >= 100 }),
  });

  function tokensPerSecond(tokens: number): string {
    return (tokens / whole.get(tokens)!).toFixed(1);
  }
}

function callSeconds(linears: readonly Linear[], tokens: number, after?: () => void): number[] {
  const { rows, cols } = linears[0]!;
  const x = Float32Array.from({ length: tokens * cols }, (_, i) => Math.sin(i));
  const y = new Float32Array(tokens * rows);
  return linears.map((linear) => {
    const began = performance.now();
    linear.apply(x, tokens, y);
    const seconds = (performance.now() - began) / 1000;
    after?.();
    return seconds;
  });
}

/** Of reading so many bytes that have not been read for long. */
function readingSeconds(bytes: number): number {
  if (nextByte + bytes > memory.byteLength) nextByte = 0;
  const first = nextByte / 4;
  nextByte += Math.ceil(bytes / 4096) * 4096;
  return kernels.readMemory(memory.subarray(first, first + bytes / 4));
}

function quantile(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length * QUANTILE)]!;
}

function copies(kind: string, rows: number, cols: number): { linears: Linear[]; bytes: number } {
  const weights = weightsOf(kind, rows, cols);
  const bytes = bytesOf(weights);
  const linears = Array.from({ length: Math.ceil((Number(flags.bytes) * 1e6) / bytes) }, () =>
    kernels.createLinear(copyOf(weights)),
  );
  return { linears, bytes };
}

function weightsOf(kind: string, rows: number, cols: number): LinearWeights {
  const [pattern, values] = kind.split('-') as [string, string?];
  if (values !== undefined) return quantizedWeights(pattern, BITS[values as keyof typeof BITS], rows, cols);
  return pattern === 'dense' ? denseWeights(rows, cols) : packedWeights(pattern, rows, cols);
}

/** Bytes of what a product reads. */
function bytesOf(weights: LinearWeights): number {
  switch (weights.kind) {
    case 'dense':
      return weights.weights.byteLength;
    case 'packed':
      return weights.values.byteLength + weights.indices.byteLength;
    case 'quantized':
      return weights.codes.byteLength + weights.scales.byteLength + (weights.indices?.byteLength ?? 0);
  }
}

function copyOf(weights: LinearWeights): LinearWeights {
  switch (weights.kind) {
    case 'dense':
      return { ...weights, weights: weights.weights.slice() } as LinearWeights;
    case 'packed':
      return { ...weights, values: weights.values.slice(), indices: weights.indices.slice() };
    case 'quantized':
      return {
        ...weights,
        codes: weights.codes.slice(),
        scales: weights.scales.slice(),
        indices: weights.indices?.slice(),
      };
  }
}

/** Codes of any value, with scales for 32 survivors. */
function quantizedWeights(pattern: string, bits: 3 | 4 | 8, rows: number, cols: number): LinearWeights {
  const packed = pattern === 'dense' ? undefined : packedWeights(pattern, rows, cols);
  const { keep, group } = packed ?? { keep: 1, group: 1 };
  const shape = { rows, cols, keep, group, bits, span: spanOf(keep, 32) };
  const { tiles, vectors, spans } = quantizedLayout(shape);
  return {
    kind: 'quantized',
    ...shape,
    codes: Uint8Array.from({ length: tiles * vectors * VECTOR_BYTES }, (_, i) => (i * 40503) >> 7),
    scales: halves(tiles * spans * 16),
    indices: packed && (indicesOf(shape, positionsOf(shape)) ?? packed.indices),
    permutation: packed?.permutation,
  };
}

/** Positions in their groups as `packedWeights` chooses them, row after row. */
function positionsOf({ rows, cols, keep, group }: QuantizedShape): Int32Array {
  const groups = cols / group;
  return Int32Array.from({ length: rows * groups * keep }, (_, at) => {
    const [row, n] = [Math.floor(at / (groups * keep)), at % (groups * keep)];
    const index = (row >> 4) * groups + Math.floor(n / keep);
    return firstKept(index, row & 15, keep, group) + (n % keep);
  });
}

function denseWeights(rows: number, cols: number): LinearWeights {
  return { kind: 'dense', dtype: 'bf16', rows, cols, weights: halves(rows * cols) };
}

/** Every row keeps another choice; the inputs are shuffled. */
function packedWeights(pattern: string, rows: number, cols: number): PackedWeights {
  const [keep, group] = pattern.split(':').map(Number) as [number, number];
  const { encoding, bits, tiles, groups, groupValues, groupBytes } = packedLayout(rows, cols, keep, group);
  const indices = new Uint8Array(tiles * groups * groupBytes);
  for (let index = 0; index < tiles * groups; index++) {
    const bytes = indices.subarray(index * groupBytes, (index + 1) * groupBytes);
    for (let r = 0; r < 16; r++) {
      const first = firstKept(index, r, keep, group);
      for (let slot = 0; slot < keep; slot++) {
        const [bit, value] =
          encoding === 'index' ? [(slot * 16 + r) * bits, first + slot] : [(first + slot) * 16 + r, 1];
        bytes[bit >> 3]! |= value << (bit & 7);
      }
    }
  }
  const permutation = Int32Array.from({ length: cols }, (_, i) => (i * 1021 + 7) % cols);
  const values = halves(tiles * groups * groupValues);
  return { kind: 'packed', dtype: 'bf16', rows, cols, keep, group, values, indices, permutation };
}

/** The first position that a row of a tile keeps; the others follow it. */
function firstKept(index: number, lane: number, keep: number, group: number): number {
  return (index * 7 + lane * 5) % (group - keep + 1);
}

/** bf16 of both signs, from 1/128 to 1. */
function halves(count: number): Uint16Array {
  return Uint16Array.from({ length: count }, (_, i) => 0x3c00 + ((i * 40503) % 0x380) + ((i & 1) << 15));
}
