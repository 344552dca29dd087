import { elementCount } from '@esparse/checkpoint';
import { describeModel, type LinearSpec, type ModelDescription } from '@esparse/model';
import { densePath, statisticPath, writeLinear, writeTokenizerFiles } from '@esparse/model-store';
import { spanOf, TILE_ROWS } from '@esparse/kernels';
import {
  EVERYTHING,
  packedShapes,
  QUANTIZED,
  quantizedShapes,
  type QuantizedLinear,
} from '@esparse/sparsity';
import { createOrOpenStore, type RunWriter, type Transaction } from '@esparse/store';
import { llamaConfig, seededNumbers, type LlamaShape } from './random-model.ts';
import { syntheticTokenizer } from './synthetic-tokenizer.ts';

/** The shape of TinyLLaMA 1.1B. */
export const LLAMA_1B: LlamaShape = {
  hidden: 2048,
  intermediate: 5632,
  blocks: 22,
  heads: 32,
  kvHeads: 4,
  vocab: 32_000,
  tiedHead: false,
};

/** LLaMA's token embedding. */
const EMBEDDING = 'model.embed_tokens.weight';
const PATTERN = { keep: 2, group: 4 };
/** Random numbers that every array repeats, each from another place on: speed does not depend on values. */
const POOL = 1 << 20;

/** What the linears of a store are: bf16, or integers with a scale for 32; then embedding and head are int8, too. */
export type RandomLinears =
  '2:4' | 'dense' | '2:4-int8' | '2:4-int4' | '2:4-int3' | 'dense-int8' | 'dense-int4';

/**
 * Writes a store of a LLaMA with random weights, block by block: its linears packed 2:4 under random
 * permutations, or left dense. Nothing is pruned, so this takes about as long as writing the files.
 */
export async function writeRandomStore(
  directory: string,
  shape: LlamaShape,
  linears: RandomLinears,
): Promise<void> {
  const config = llamaConfig(shape);
  const description = describeModel(config);
  const store = await createOrOpenStore(directory);
  const writer = await store.beginRun(`random-${linears.replace(':', '')}`, {
    config,
    family: description.family,
    blocks: description.blocks,
    model: 'random',
    tokens: 'none',
    numerics: 'none',
    options: OPTIONS,
  });
  try {
    await writeTokenizerFiles(writer, syntheticTokenizer(description.vocab));
    await writeOuter(writer, description, linears.includes('int'));
    for (let block = 0; block < description.blocks; block++) {
      await writeBlock(writer.beginBlock(block), description, block, linears);
    }
    await writer.finish({ blocks: description.blocks });
  } finally {
    await writer.close();
  }
}

async function writeOuter(
  writer: RunWriter,
  description: ModelDescription,
  areIntegers: boolean,
): Promise<void> {
  const transaction = writer.beginDense();
  for (const { name, shape } of description.outerTensors) {
    if (areIntegers && shape.length === 2) {
      const [rows, cols] = shape as [number, number];
      await putIntegers(transaction, name, { rows, cols, pattern: EVERYTHING, bits: 8 }, hash(name));
      continue;
    }
    // Large enough that the logits of two tokens are never a near tie.
    await putDense(transaction, name, name, shape, name === EMBEDDING ? 1 : undefined);
  }
  await transaction.commit({});
}

async function writeBlock(
  transaction: Transaction,
  description: ModelDescription,
  block: number,
  linears: RandomLinears,
): Promise<void> {
  const [pattern, values] = linears.split('-') as ['2:4' | 'dense', 'int8' | 'int4' | 'int3' | undefined];
  for (const linear of description.linears) {
    const { name, rows, cols } = linear;
    const tensor = linear.weight(block);
    if (values !== undefined) {
      const [where, kept] = pattern === 'dense' ? [densePath(tensor), EVERYTHING] : [name, PATTERN];
      const bits = ({ int8: 8, int4: 4, int3: 3 } as const)[values];
      await putIntegers(transaction, where, { rows, cols, pattern: kept, bits }, hash(`${block} ${name}`));
    } else if (pattern === '2:4') await putPacked(transaction, linear, block);
    else {
      await putDense(transaction, densePath(tensor), tensor, [rows, cols], undefined, `${block} ${name}`);
    }
  }
  for (const { name, shape } of description.blockTensors(block)) {
    await putDense(transaction, densePath(name), name, shape);
  }
  for (const { name, channels } of description.taps) await putStatistics(transaction, name, channels, block);
  await transaction.commit({ block });
}

/** Norms are ones; matrices have a standard deviation of 1 / sqrt(inputs) unless given otherwise. */
async function putDense(
  transaction: Transaction,
  path: string,
  tensor: string,
  shape: readonly number[],
  deviation?: number,
  seed = tensor,
): Promise<void> {
  const count = elementCount(shape);
  const data =
    shape.length === 1
      ? new Uint16Array(count).fill(0x3f80)
      : halves(count, deviation ?? 1 / Math.sqrt(shape[1]!), hash(seed));
  await transaction.putArray(path, { data, shape, attributes: { dtype: 'bf16', tensor } });
}

/** Entropies and amplitudes that spread as those of a model do. */
async function putStatistics(
  transaction: Transaction,
  tap: string,
  channels: number,
  block: number,
): Promise<void> {
  const random = seededNumbers(hash(`${block} ${tap}`));
  const entropy = Float32Array.from({ length: channels }, () => 3 + random() + random());
  const amplitude = entropy.map((value) => Math.exp(value + 2 * random()));
  for (const [name, data] of Object.entries({ entropy, amplitude })) {
    await transaction.putArray(statisticPath(tap, name), { data, shape: [channels] });
  }
}

async function putPacked(transaction: Transaction, linear: LinearSpec, block: number): Promise<void> {
  const { name, rows, cols } = linear;
  const shapes = packedShapes(PATTERN, rows, cols);
  const seed = hash(`${block} ${name}`);
  const { encoding, tileRows } = shapes;
  const packed = {
    encoding,
    tileRows,
    dtype: 'bf16' as const,
    rows,
    cols,
    pattern: PATTERN,
    values: halves(elementCount(shapes.values), Math.SQRT2 / Math.sqrt(cols), seed),
    indices: positions(elementCount(shapes.indices), seed),
    permutation: permutation(cols, seed),
  };
  await writeLinear(transaction, name, packed, { keptScore: { before: 1, after: 1 } });
}

/** Integers of any value, with scales for 32 survivors. */
async function putIntegers(
  transaction: Transaction,
  name: string,
  shape: Pick<QuantizedLinear, 'rows' | 'cols' | 'pattern' | 'bits'>,
  seed: number,
): Promise<void> {
  const { rows, cols, pattern, bits } = shape;
  const span = spanOf(pattern.keep, 32);
  const shapes = quantizedShapes({ ...shape, span });
  // Of 8 bits -128 is none.
  const codes = (bytes: number) => {
    const words = repeated(codePool(), bytes / 4, seed);
    return new Uint8Array(words.buffer);
  };
  const pruned = shapes.indices !== undefined;
  const deviation = Math.sqrt((pruned ? 2 : 1) / cols) / { 8: 73, 4: 4.6, 3: 2.3 }[bits];
  await writeLinear(
    transaction,
    name,
    {
      encoding: QUANTIZED,
      ...{ rows, cols, pattern, bits, span, tileRows: TILE_ROWS },
      values: codes(elementCount(shapes.values)),
      scales: new Uint16Array(elementCount(shapes.scales)).fill(bf16Of(deviation)),
      indices:
        shapes.indices &&
        new Uint8Array(repeated(fieldPool(), elementCount(shapes.indices) / 4, seed).buffer),
      permutation: pruned ? permutation(cols, seed) : undefined,
    },
    pruned ? { keptScore: { before: 1, after: 1 } } : {},
  );
}

function bf16Of(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0]! >>> 16;
}

let integers: Uint32Array | undefined;

/** Words of four bytes, none of which is -128. */
function codePool(): Uint32Array {
  if (integers !== undefined) return integers;
  const random = seededNumbers(3);
  const bytes = Uint8Array.from({ length: 4 * POOL }, () => 129 + Math.floor(255 * random()));
  return (integers = new Uint32Array(bytes.buffer));
}

let fields: Uint32Array | undefined;

/** Words of sixteen ascending pairs of positions: byte j has those of survivors j, 4 + j, 8 + j and 12 + j. */
function fieldPool(): Uint32Array {
  if (fields !== undefined) return fields;
  const random = seededNumbers(4);
  fields = new Uint32Array(POOL);
  for (let at = 0; at < POOL; at++) {
    for (let pair = 0; pair < 8; pair++) {
      const [low, high] = CHOICES[Math.floor(random() * CHOICES.length)]!;
      const shift = 16 * (pair % 2) + 2 * Math.floor(pair / 2);
      fields[at]! |= (low! << shift) | (high! << (shift + 8));
    }
  }
  return fields;
}

let gaussians: Float32Array | undefined;

/** bf16 numbers of this standard deviation. */
function halves(count: number, deviation: number, seed: number): Uint16Array {
  gaussians ??= gaussianPool();
  // Of a small array only what it has is made.
  const small = count < POOL;
  const numbers = small ? repeated(gaussians, count, seed) : gaussians;
  const bits = new Uint32Array(numbers.map((value) => value * deviation).buffer);
  const words = Uint16Array.from(bits, (word) => word >>> 16);
  return small ? words : repeated(words, count, seed);
}

/** The sum of four uniforms is close enough to a Gaussian here. */
function gaussianPool(): Float32Array {
  const random = seededNumbers(1);
  return Float32Array.from(
    { length: POOL },
    () => (random() + random() + random() + random() - 2) * Math.sqrt(3),
  );
}

let pairs: Uint32Array | undefined;

/** Ascending pairs of positions in groups of four, for 16 rows at a time: one word of 2-bit positions per slot. */
function positions(bytes: number, seed: number): Uint8Array {
  pairs ??= pairPool();
  const words = repeated(pairs, bytes / 4, seed - (seed % 2));
  return new Uint8Array(words.buffer);
}

/** Two of four positions. */
const CHOICES = [0, 1, 2, 3].flatMap((low) =>
  [1, 2, 3].filter((high) => high > low).map((high) => [low, high]),
);

function pairPool(): Uint32Array {
  const random = seededNumbers(2);
  const words = new Uint32Array(POOL);
  for (let at = 0; at < POOL; at += 2) {
    for (let row = 0; row < 16; row++) {
      const [low, high] = CHOICES[Math.floor(random() * CHOICES.length)]!;
      words[at]! |= low! << (2 * row);
      words[at + 1]! |= high! << (2 * row);
    }
  }
  return words;
}

/** `count` elements of a pool, from the place `seed` on, over and over. */
function repeated<T extends Uint16Array | Uint32Array | Float32Array>(
  pool: T,
  count: number,
  seed: number,
): T {
  const out = new (pool.constructor as new (length: number) => T)(count);
  let from = seed % pool.length;
  for (let at = 0; at < count;) {
    const piece = pool.subarray(from, from + Math.min(pool.length - from, count - at));
    out.set(piece, at);
    at += piece.length;
    from = 0;
  }
  return out;
}

function permutation(length: number, seed: number): Int32Array {
  const random = seededNumbers(seed);
  const order = Int32Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** A seed for a name. */
function hash(name: string): number {
  let value = 7;
  for (const character of name) value = (value * 31 + character.charCodeAt(0)) % 1_000_003;
  return value;
}

/** What the run's attributes say of the options; nothing reads them here. */
const OPTIONS = {
  pipeline: { name: 'random', version: 1, options: {} },
  pattern: PATTERN,
  calibration: { samples: 0, seqlen: 0, seed: 0, bos: false },
  skipIndivisible: false,
};
