/** Run in a process that has a GPU, or an emulated one: statistics there against those of the processor, byte by byte. */
import { isEsparseError } from '@esparse/errors';
import { STATISTICS, type DeviceTile, type SharingDevice, type AnyStatistic } from '@esparse/statistics';
import { CudaArithmetic } from '../arithmetic.ts';

const CHANNELS = 24;
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
  'channels of every size': (random, _tile, _row, channel) => normal(random) * 10 ** (channel / 2 - 8),
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
      const [here, there] = [await onProcessor(statistic, tiles), await onGpu(statistic, tiles, type)];
      outcomes.push({ case: name, statistic: statistic.name, type, same: here === there });
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

async function onProcessor(statistic: AnyStatistic, tiles: readonly Float32Array[]): Promise<string> {
  const state = statistic.create(CHANNELS, {});
  try {
    for (const data of tiles) await statistic.update(state, { data, rows: ROWS, channels: CHANNELS });
    return Buffer.from(statistic.serialise(state)).toString('base64');
  } catch (error) {
    return refusal(error);
  }
}

async function onGpu(
  statistic: AnyStatistic,
  tiles: readonly Float32Array[],
  type: 'bf16' | 'f32',
): Promise<string> {
  const fold = statistic.onDevice!(gpu, CHANNELS);
  const memory = gpu.allocate(4 * ROWS * CHANNELS);
  try {
    for (const data of tiles) {
      gpu.upload(memory.address, type === 'f32' ? data : bf16Of(data));
      const tile: DeviceTile = {
        address: memory.address,
        type,
        rows: ROWS,
        channels: CHANNELS,
        seqlen: ROWS,
      };
      fold.update(tile);
    }
    const found = Buffer.from(statistic.serialise(fold.finish())).toString('base64');
    // What another process would take over is the same.
    return fold.shares === undefined || statistic.takeOver === undefined
      ? found
      : bothOf(found, await takenOver(statistic, fold.shares(), tiles.length * ROWS));
  } catch (error) {
    return refusal(error);
  } finally {
    fold.release();
    gpu.release(memory);
  }
}

/** A state that is read where its parts lie, as by another process, which has handles for addresses. */
async function takenOver(
  statistic: AnyStatistic,
  addresses: readonly number[],
  tokens: number,
): Promise<string> {
  const device: SharingDevice = Object.assign(Object.create(gpu) as CudaArithmetic, {
    load: gpu.load.bind(gpu),
    downloadLater: gpu.downloadLater.bind(gpu),
    openShared: (handle: Uint8Array) => new Float64Array(handle.buffer)[0]!,
    closeShared: () => undefined,
  });
  const handles = addresses.map((address) => new Uint8Array(Float64Array.of(address).buffer));
  const state = await statistic.takeOver!(device, handles, CHANNELS, tokens);
  try {
    return Buffer.from(statistic.serialise(state)).toString('base64');
  } finally {
    statistic.dispose?.(state);
  }
}

function bothOf(found: string, taken: string): string {
  return found === taken ? found : 'what is taken over is another state';
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
