/** Run in a process that has a GPU, or an emulated one: statistics there against those of the processor, byte by byte. */
import { EsparseError, isEsparseError } from '@esparse/errors';
import {
  channelHistograms,
  entropy,
  entropyOf,
  STATISTICS,
  type AnyStatistic,
  type EntropyState,
  type Statistic,
  type StatisticDevice,
  type StatisticState,
} from '@esparse/statistics';
import { CudaArithmetic } from '../arithmetic.ts';

/** So many that masses of the most bins come in two parts. */
const CHANNELS = 40;
const ROWS = 70;
const TILES = 4;

type Make = (random: () => number, tile: number, row: number, channel: number) => number;

/** Activations of all kinds: what the histograms' grid and the exact sums must not stumble over. */
const CASES: Readonly<Record<string, Make>> = {
  'a normal distribution': (random) => normal(random),
  'a range that grows from tile to tile': (random, tile) => normal(random) * 3 ** tile,
  'a range that grows by a million': (random, tile) => normal(random) * (tile === 2 ? 1e6 : 1),
  'point masses at zero': (random) => Math.max(0, normal(random)),
  'zeros of both signs': (random) => (random() < 0.5 ? -0 : random() < 0.5 ? 0 : normal(random)),
  'nothing but zeros': () => 0,
  'one value': () => -1.5,
  'outliers in one row': (random, tile, row) => normal(random) * (tile === 1 && row === 7 ? 5000 : 1),
  'channels of every size': (random, _tile, _row, channel) =>
    normal(random) * 10 ** ((12 * channel) / CHANNELS - 8),
  'the smallest and the largest numbers': (random) => normal(random) * (random() < 0.5 ? 1e-40 : 1e5),
  'a channel whose squares are too large': (random, _tile, _row, channel) =>
    normal(random) + (channel === 5 ? 2e8 : 0),
  'positive only': (random) => 10 + random(),
  'not a number': (random, tile, row, channel) => (tile + row + channel === 29 ? NaN : normal(random)),
  infinity: (random, tile, row, channel) => (tile + row + channel === 9 ? -Infinity : normal(random)),
};

interface Outcome {
  readonly case: string;
  readonly statistic: string;
  readonly type: 'bf16' | 'f32';
  readonly same: boolean;
}

const gpu = CudaArithmetic.open();
const outcomes: Outcome[] = [];
for (const [name, make] of Object.entries(CASES)) {
  for (const type of ['bf16', 'f32'] as const) {
    const tiles = tilesOf(make, type);
    for (const statistic of STATISTICS.values()) {
      const here = await onProcessor(statistic, tiles, (state) => textOf(statistic.serialise(state)));
      const there = onGpu(statistic, tiles, type);
      outcomes.push({ case: name, statistic: statistic.name, type, same: here === there });
    }
    const here = await onProcessor(entropy, tiles, readingsOf);
    for (const hasRoom of [true, false]) {
      const there = await entropiesOnGpu(tiles, type, hasRoom);
      const which = hasRoom ? 'entropies' : 'entropies without room';
      outcomes.push({ case: name, statistic: which, type, same: here === there });
    }
  }
}
gpu.trim();
const held = gpu.facts.heldBytes;
gpu.close();
process.stdout.write(JSON.stringify({ outcomes, held }));

/** Values that bf16 can hold, or f32. */
function tilesOf(make: Make, type: 'bf16' | 'f32'): Float32Array[] {
  let seed = 1;
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  return Array.from({ length: TILES }, (_, tile) => {
    const values = new Float32Array(ROWS * CHANNELS);
    values.forEach((_value, i) => {
      values[i] = make(random, tile, Math.floor(i / CHANNELS), i % CHANNELS);
    });
    if (type === 'bf16') {
      const words = new Uint32Array(values.buffer);
      words.forEach((word, i) => (words[i] = word & 0xffff0000));
    }
    return values;
  });
}

async function onProcessor<State extends StatisticState>(
  statistic: Statistic<State, unknown>,
  tiles: readonly Float32Array[],
  read: (state: State) => string | Promise<string>,
): Promise<string> {
  const state = statistic.create(CHANNELS, {});
  try {
    for (const data of tiles) await statistic.update(state, { data, rows: ROWS, channels: CHANNELS });
    return await read(state);
  } catch (error) {
    return refusal(error);
  }
}

function onGpu(statistic: AnyStatistic, tiles: readonly Float32Array[], type: 'bf16' | 'f32'): string {
  const fold = foldOn(statistic, tiles, type);
  try {
    return textOf(statistic.serialise(fold.finish()));
  } catch (error) {
    return refusal(error);
  } finally {
    fold.release();
  }
}

function foldOn(statistic: AnyStatistic, tiles: readonly Float32Array[], type: 'bf16' | 'f32') {
  const fold = statistic.onDevice!(gpu, CHANNELS);
  const memory = gpu.allocate(4 * ROWS * CHANNELS);
  for (const data of tiles) {
    gpu.upload(memory.address, type === 'f32' ? data : bf16Of(data));
    fold.update({ address: memory.address, type, rows: ROWS, channels: CHANNELS, seqlen: ROWS });
  }
  gpu.release(memory);
  return fold;
}

/** Those of states that are taken over from two workers, and from one that has seen nothing, and merged where they are. */
async function entropiesOnGpu(
  tiles: readonly Float32Array[],
  type: 'bf16' | 'f32',
  hasRoom: boolean,
): Promise<string> {
  let isFull = false;
  const device: StatisticDevice = {
    ...{ load: gpu.load.bind(gpu), release: gpu.release.bind(gpu), upload: gpu.upload.bind(gpu) },
    ...{ download: gpu.download.bind(gpu), downloadLater: gpu.downloadLater.bind(gpu) },
    ...{ copy: gpu.copy.bind(gpu), fill: gpu.fill.bind(gpu), launch: gpu.launch.bind(gpu) },
    multiply: gpu.multiply.bind(gpu),
    allocate(bytes) {
      if (isFull) throw new EsparseError('unavailable', 'no room');
      return gpu.allocate(bytes);
    },
  };
  const folds = [[], tiles.slice(0, 1), tiles.slice(1)].map((some) => ({
    fold: foldOn(entropy as AnyStatistic, some, type),
    tokens: some.length * ROWS,
  }));
  const states: EntropyState[] = [];
  try {
    for (const { fold, tokens } of folds) {
      fold.check!();
      states.push(await entropy.takeOver!(device, fold.shares!(), CHANNELS, tokens));
    }
    const [nothing, first, second] = states as [EntropyState, EntropyState, EntropyState];
    await entropy.merge(nothing, first);
    await entropy.merge(nothing, second);
    isFull = !hasRoom;
    return await readingsOf(nothing);
  } catch (error) {
    return refusal(error);
  } finally {
    for (const { fold } of folds) fold.release();
    for (const state of states) entropy.dispose!(state);
  }
}

/** All that is read of a state, and the state itself. */
async function readingsOf(state: EntropyState): Promise<string> {
  const { shares, ranges } = await channelHistograms.read(state, { sequences: TILES });
  const readings = [
    ...[
      await entropyOf(state),
      await entropyOf(state, { range: 'tap' }),
      await entropyOf(state, { bins: 65536 }),
    ],
    ...[shares, ranges, entropy.serialise(state)],
  ];
  return readings.map(textOf).join(' ');
}

function textOf({ buffer, byteOffset, byteLength }: ArrayBufferView): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}

/** The channel that was refused. */
function refusal(error: unknown): string {
  if (!isEsparseError(error) || error.kind !== 'numeric') throw error;
  return `refused: channel ${String(error.context.channel)}`;
}

function bf16Of(values: Float32Array): Uint16Array {
  return Uint16Array.from(new Uint32Array(values.buffer), (word) => word >>> 16);
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
}
