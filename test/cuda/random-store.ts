import { elementCount } from '@esparse/checkpoint';
import { TILE_ROWS, type QuantizedBits } from '@esparse/kernels';
import { describeModel, linearsOf } from '@esparse/model';
import { densePath, writeLinear } from '@esparse/model-store';
import {
  EVERYTHING,
  keepsEverything,
  packedShapes,
  QUANTIZED,
  quantizedShapes,
  SCALE_GROUP,
  type Pattern,
  type QuantizedLinear,
} from '@esparse/sparsity';
import { createOrOpenStore, type Transaction } from '@esparse/store';

/** The sizes of a decoder, by the names of config.json. */
export interface Sizes {
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads: number;
  readonly vocab_size: number;
}

const PATTERN = { keep: 2, group: 4 };
/** Random numbers are made once, and taken from random places: a model of gigabytes takes seconds. */
const POOL = 1 << 20;

/**
 * Stores a LLaMA with random weights in 2:4, random permutations and a head of its own.
 *
 * @param dense without pruning
 * @param family other fields of config.json: another family
 * @param integers bits of a linear, embedding or head that is integers with scales, by its name. @default none is
 */
export async function writeRandomStore(
  folder: string,
  sizes: Sizes,
  dense = false,
  family: Readonly<Record<string, unknown>> = {},
  integers: (name: string) => QuantizedBits | undefined = () => undefined,
): Promise<void> {
  const config = {
    architectures: ['LlamaForCausalLM'],
    max_position_embeddings: 4096,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: false,
    ...sizes,
    ...family,
  };
  const description = describeModel(config);
  const store = await createOrOpenStore(folder);
  const run = await store.beginRun(dense ? 'dddddddddddddddd' : 'abcdef0123456789', {
    config,
    family: description.family,
    blocks: description.blocks,
    model: 'random',
    tokens: 'none',
    numerics: 'none',
    options: {
      pipeline: { name: 'magnitude', version: 1, options: {} },
      pattern: PATTERN,
      calibration: { samples: 0, seqlen: 0, seed: 0, bos: false },
      skipIndivisible: false,
    },
  });
  const random = randomBits();
  // As in a trained model, the residual stream is larger than what one block adds: rounding is not amplified.
  const scaleFor = (name: string, inputs: number) => {
    if (name.includes('embed')) return Math.sqrt(3);
    return scaleOf(inputs) / (/(o|down)_proj/.test(name) ? Math.sqrt(2 * description.blocks) : 1);
  };
  const quantized = (name: string, rows: number, cols: number, pattern: Pattern, bits: QuantizedBits) => {
    const span = SCALE_GROUP / pattern.keep;
    const shape = { rows, cols, pattern, bits, span };
    const { values, scales, indices } = quantizedShapes(shape);
    const [tiles, vectors, bytes] = values;
    const all = keepsEverything(pattern);
    const linear: QuantizedLinear = {
      ...shape,
      encoding: QUANTIZED,
      tileRows: TILE_ROWS,
      values: withoutFilling(random.codes(tiles * vectors * bytes), {
        vectors,
        bits,
        survivors: (cols / pattern.group) * pattern.keep,
      }),
      // The greatest number is as large as the greatest weight of bf16.
      scales: random.scales(elementCount(scales), scaleFor(name, all ? cols : cols / 2) / 2 ** (bits - 1)),
      indices: indices && random.fields(elementCount(indices) / 4),
      permutation: all ? undefined : random.permutation(cols),
    };
    return linear;
  };
  const tensor = async (to: Transaction, at: string, name: string, shape: readonly number[]) => {
    const bits = shape.length === 1 ? undefined : integers(name);
    if (bits !== undefined) {
      await writeLinear(to, at, quantized(name, shape[0]!, shape[1]!, EVERYTHING, bits), {});
      return;
    }
    const length = elementCount(shape);
    const data =
      shape.length === 1 ? random.aroundOne(length) : random.values(length, scaleFor(name, shape[1]!));
    await to.putArray(at, { data, shape, attributes: { dtype: 'bf16', tensor: name } });
  };
  const outer = run.beginDense();
  for (const { name, shape } of description.outerTensors) await tensor(outer, name, name, shape);
  await outer.commit({});
  for (let block = 0; block < description.blocks; block++) {
    const to = run.beginBlock(block);
    for (const { name, shape } of description.blockTensors(block)) {
      await tensor(to, densePath(name), name, shape);
    }
    for (const { name, rows, cols, weight } of linearsOf(description, block)) {
      if (dense) {
        await tensor(to, densePath(weight(block)), weight(block), [rows, cols]);
        continue;
      }
      const bits = integers(name);
      if (bits !== undefined) {
        const record = { keptScore: { before: 1, after: 1 } };
        await writeLinear(to, name, quantized(name, rows, cols, PATTERN, bits), record);
        continue;
      }
      const shapes = packedShapes(PATTERN, rows, cols);
      const [tiles, groups] = shapes.values;
      const packed = {
        encoding: shapes.encoding,
        dtype: 'bf16' as const,
        rows,
        cols,
        pattern: PATTERN,
        tileRows: shapes.tileRows,
        values: random.values(tiles * groups * 32, scaleFor(name, cols / 2)),
        indices: random.positions(tiles * groups),
        permutation: random.permutation(cols),
      };
      await writeLinear(to, name, packed, { keptScore: { before: 1, after: 1 } });
    }
    await to.commit({});
  }
  await run.finish({ blocks: description.blocks });
  await run.close();
}

/** Zeros where a row's numbers have ended, as every writer leaves there: bytes [tile][vector][row][4]. */
function withoutFilling(
  codes: Uint8Array,
  { vectors, bits, survivors }: { vectors: number; bits: QuantizedBits; survivors: number },
): Uint8Array {
  const bytesOfVector = TILE_ROWS * 4;
  for (let filling = survivors; filling < (vectors * 32) / bits; filling++) {
    const mask = bits === 8 ? 0 : filling & 4 ? 0x0f : 0xf0;
    const vector = Math.floor((filling * bits) / 32);
    for (let at = vector * bytesOfVector; at < codes.length; at += vectors * bytesOfVector) {
      for (let row = 0; row < TILE_ROWS; row++) codes[at + 4 * row + (filling & 3)]! &= mask;
    }
  }
  return codes;
}

/** Outputs are as large as inputs. */
const scaleOf = (inputs: number) => Math.sqrt(3 / inputs);

function randomBits() {
  let state = 0x9e3779b9;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  const floats = Float32Array.from({ length: POOL }, () => next() / 2 ** 31 - 1);
  const words = Uint32Array.from({ length: 2 * POOL }, () => 0);
  for (let i = 0; i < POOL; i++) {
    for (let row = 0; row < TILE_ROWS; row++) {
      const pair = [1, 2, 3, 6, 7, 11][next() % 6]!; // first position * 4 + second
      words[2 * i]! |= (pair >> 2) << (2 * row);
      words[2 * i + 1]! |= (pair & 3) << (2 * row);
    }
  }
  // Positions of eight groups, as `quantized-v1` has them: survivor n in byte n % 4, from bit 2 (n >> 2) on.
  const fields = Uint32Array.from({ length: POOL }, () => {
    let word = 0;
    for (let g = 0; g < 8; g++) {
      const pair = [1, 2, 3, 6, 7, 11][next() % 6]!;
      const shift = 8 * ((2 * g) % 4) + 2 * (g >> 1);
      word |= ((pair >> 2) | ((pair & 3) << 8)) << shift;
    }
    return word >>> 0;
  });
  // Of 8 bits from -127 to 127.
  const codes = Uint32Array.from({ length: POOL }, () => {
    let word = 0;
    for (let i = 0; i < 4; i++) word = (word << 8) | (((next() % 255) - 127) & 255);
    return word >>> 0;
  });
  const filled = <T extends Uint16Array | Uint32Array>(to: T, pool: T): T => {
    for (let at = 0; at < to.length;) {
      const from = (next() % (pool.length >> 2)) * 2;
      const some = pool.subarray(from, Math.min(pool.length, from + to.length - at));
      to.set(some, at);
      at += some.length;
    }
    return to;
  };
  const pools = new Map<number, Uint16Array>();
  const poolOf = (scale: number) => {
    const known = pools.get(scale);
    if (known !== undefined) return known;
    const pool = bf16(floats.map((value) => value * scale));
    pools.set(scale, pool);
    return pool;
  };
  return {
    values: (length: number, scale: number) => filled(new Uint16Array(length), poolOf(scale)),
    aroundOne: (length: number) => bf16(Float32Array.from({ length }, (_, i) => 1 + floats[i % POOL]! / 4)),
    positions: (pairs: number) => new Uint8Array(filled(new Uint32Array(2 * pairs), words).buffer),
    codes: (bytes: number) => new Uint8Array(filled(new Uint32Array(bytes / 4), codes).buffer),
    fields: (length: number) => new Uint8Array(filled(new Uint32Array(length), fields).buffer),
    scales: (length: number, scale: number) =>
      bf16(Float32Array.from({ length }, (_, i) => scale * (1 + floats[i % POOL]! / 4))),
    permutation(length: number) {
      const order = Int32Array.from({ length }, (_, i) => i);
      for (let i = length - 1; i > 0; i--) {
        const j = next() % (i + 1);
        [order[i], order[j]] = [order[j]!, order[i]!];
      }
      return order;
    },
  };
}

function bf16(values: Float32Array): Uint16Array {
  return Uint16Array.from(new Uint32Array(values.slice().buffer), (word) => word >>> 16);
}
