/** The kernels that work on vectors: native and TypeScript give the same bits, and a token's bits are its own. */
import { uniform } from '@esparse/laws';
import {
  addReference,
  clampedSwigluReference,
  gatedGeluReference,
  gatedSiluReference,
  geluReference,
  reluReference,
  scaleReference,
} from './elementwise.ts';
import { addon } from '../addon.ts';
import {
  attentionReference,
  pageFloats,
  PAGE_TOKENS,
  type AttentionShape,
  type BatchLayout,
} from './attention.ts';
import { gatherRowsReference } from './gather-rows.ts';
import { openInferenceKernels } from './inference-kernels.ts';
import { instructionSets } from './instruction-set.ts';
import { layerNormReference } from './layer-norm.ts';
import { rmsNormReference } from './rms-norm.ts';
import { ropeReference } from './rope.ts';
import { expNegative } from './lanes.ts';

const kernels = openInferenceKernels();
const {
  add,
  attention,
  clampedSwiglu,
  gatedGelu,
  gatedSilu,
  gatherRows,
  gelu,
  layerNorm,
  relu,
  rmsNorm,
  rope,
  scale,
} = kernels;

test('the native addon is the one under test', () => {
  expect(addon()).not.toBeNull();
});

const random = uniform(7);
const floats = (length: number, scale = 1) =>
  Float32Array.from({ length }, () => (random() + random() - 1) * scale);
const bitsOf = (x: Float32Array) => new Uint32Array(x.buffer, x.byteOffset, x.length);

/** Runs both on memory of their own and compares every bit. */
function agree(
  length: number,
  native: (y: Float32Array) => void,
  reference: (y: Float32Array) => void,
): Float32Array {
  const [y, expected] = [new Float32Array(length), new Float32Array(length)];
  native(y);
  reference(expected);
  expect(bitsOf(y)).toEqual(bitsOf(expected));
  return y;
}

test('the exponential is within 3e-7 of the real one, zero far below and NaN for NaN', () => {
  let worst = 0;
  for (let x = 0; x > -87; x -= 0.0137) {
    const exact = Math.exp(Math.fround(x));
    worst = Math.max(worst, Math.abs(expNegative(Math.fround(x)) - exact) / exact);
  }
  expect(worst).toBeLessThan(3e-7);
  expect([expNegative(0), expNegative(-100), expNegative(-Infinity), expNegative(NaN)]).toEqual([
    1,
    0,
    0,
    NaN,
  ]);
});

test.each([1, 8, 16, 31, 192, 2048])('rmsNorm of %d channels has the bits of the reference', (channels) => {
  const [x, weight] = [floats(3 * channels, 5), floats(channels)];
  const y = agree(
    3 * channels,
    (out) => {
      rmsNorm(x, weight, 1e-5, 3, out);
    },
    (out) => {
      rmsNormReference(x, weight, 1e-5, 3, out);
    },
  );
  const alone = new Float32Array(channels);
  rmsNorm(x.subarray(channels), weight, 1e-5, 1, alone);
  expect(bitsOf(alone)).toEqual(bitsOf(y.subarray(channels, 2 * channels)));
});

test.each([1, 8, 16, 31, 192, 2048])('layerNorm of %d channels has the bits of the reference', (channels) => {
  const [x, weight, bias] = [floats(3 * channels, 5), floats(channels), floats(channels)];
  const y = agree(
    3 * channels,
    (out) => {
      layerNorm(x, weight, bias, 1e-5, 3, out);
    },
    (out) => {
      layerNormReference(x, weight, bias, 1e-5, 3, out);
    },
  );
  const alone = new Float32Array(channels);
  layerNorm(x.subarray(channels), weight, bias, 1e-5, 1, alone);
  expect(bitsOf(alone)).toEqual(bitsOf(y.subarray(channels, 2 * channels)));
});

test('layerNorm leaves rows of mean zero and variance one, scaled and shifted', () => {
  const channels = 500;
  const x = floats(channels, 5).map((value) => value + 3);
  const y = new Float32Array(channels);
  layerNorm(x, new Float32Array(channels).fill(2), new Float32Array(channels).fill(-1), 0, 1, y);
  const mean = y.reduce((sum, value) => sum + value, 0) / channels;
  expect(mean).toBeCloseTo(-1, 5);
  expect(y.reduce((sum, value) => sum + (value - mean) ** 2, 0) / channels).toBeCloseTo(4, 4);
});

test('relu has the bits of the reference, and keeps NaN', () => {
  const x = floats(5001, 3);
  x[17] = NaN;
  const y = agree(
    x.length,
    (out) => {
      relu(x, x.length, out);
    },
    (out) => {
      reluReference(x, x.length, out);
    },
  );
  expect(y[17]).toBeNaN();
  expect(Math.min(...y.filter((value) => !Number.isNaN(value)))).toBe(0);
});

test.each([1, 15, 16, 17, 100, 5000])(
  'element by element, %d of them have the bits of the references',
  (count) => {
    const [a, b] = [floats(count, 30), floats(count, 3)];
    for (const [native, reference] of [
      [gatedSilu, gatedSiluReference],
      [gatedGelu, gatedGeluReference],
      [add, addReference],
    ] as const) {
      agree(
        count,
        (y) => {
          native(a, b, count, y);
        },
        (y) => {
          reference(a, b, count, y);
        },
      );
    }
    agree(
      count,
      (y) => {
        gelu(b, count, y);
      },
      (y) => {
        geluReference(b, count, y);
      },
    );
    agree(
      count,
      (y) => {
        scale(b, 0.1, count, y);
      },
      (y) => {
        scaleReference(b, 0.1, count, y);
      },
    );
  },
);

test('gelu is its formula with tanh, zero far below, itself far above, and overflows nowhere', () => {
  const x = Float32Array.from({ length: 4001 }, (_, i) => (i - 2000) / 200);
  const y = new Float32Array(x.length);
  gelu(x, x.length, y);
  x.forEach((value, i) => {
    const exact = (value / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (value + 0.044715 * value ** 3)));
    expect(Math.abs(y[i]! - exact)).toBeLessThan(1e-6);
  });
  gelu(Float32Array.of(1e30, -1e30, 0, NaN), 4, y);
  expect([...y.subarray(0, 4)]).toEqual([Math.fround(1e30), -0, 0, NaN]);
});

test.each([1, 17, 5000])('a clamped SwiGLU of %d elements has the bits of the reference', (count) => {
  const [gate, up, shape] = [floats(count, 12), floats(count, 12), { alpha: 1.702, limit: 7 }];
  const y = agree(
    count,
    (out) => {
      clampedSwiglu(gate, up, shape, count, out);
    },
    (out) => {
      clampedSwigluReference(gate, up, shape, count, out);
    },
  );
  y.forEach((value, i) => {
    const g = Math.min(gate[i]!, 7);
    const u = Math.max(Math.min(up[i]!, 7), -7);
    expect(value).toBeCloseTo(((u + 1) * g) / (1 + Math.exp(-1.702 * g)), 4);
  });
});

test('a clamped SwiGLU is clamped, overflows nowhere, and keeps NaN', () => {
  const y = new Float32Array(5);
  const gate = Float32Array.of(1e30, -1e30, 0, NaN, 2);
  const up = Float32Array.of(1e30, 1, -1e30, 1, NaN);
  clampedSwiglu(gate, up, { alpha: 1.702, limit: 7 }, 5, y);
  expect(y[0]).toBeCloseTo(56, 3);
  expect([...y.subarray(1)]).toEqual([-0, -0, NaN, NaN]);
});

test('gated silu overflows nowhere', () => {
  const y = new Float32Array(5);
  gatedSilu(Float32Array.of(1000, -1000, 0, NaN, 2), Float32Array.of(1, 1, 1, 1, 3), 5, y);
  expect([...y.subarray(0, 4)]).toEqual([1000, -0, 0, NaN]);
  expect(y[4]).toBeCloseTo((2 / (1 + Math.exp(-2))) * 3, 5);
});

test.each([10, 6])(
  'rope turns %d of 10 channels by their own position, with the bits of the reference',
  (rotated) => {
    const [tokens, heads, headDim, positions] = [3, 2, 10, 50];
    const shape = { heads, headDim, rotated };
    const x = floats(tokens * heads * headDim);
    const tables = { cos: floats((positions * rotated) / 2), sin: floats((positions * rotated) / 2) };
    const at = Int32Array.of(49, 0, 7);
    agree(
      x.length,
      (y) => {
        rope(x, shape, tables, at, tokens, y);
      },
      (y) => {
        ropeReference(x, shape, tables, at, tokens, y);
      },
    );
    expect(() => {
      rope(x, shape, tables, Int32Array.of(0, 50, 0), tokens, x.slice());
    }).toThrow(/position 50/);
  },
);

test('rows are gathered exactly, and a row that is not there is an error', () => {
  const bits = Uint16Array.from({ length: 12 * 20 }, () => random() * 65536);
  const rows = Uint32Array.of(11, 0, 3, 3);
  for (const table of [
    { dtype: 'bf16', data: bits, cols: 20 },
    { dtype: 'f16', data: bits, cols: 20 },
    { dtype: 'f32', data: floats(240), cols: 20 },
  ] as const) {
    agree(
      60,
      (y) => {
        gatherRows(table, rows, 3, y);
      },
      (y) => {
        gatherRowsReference(table, rows, 3, y);
      },
    );
    expect(() => {
      gatherRows(table, Uint32Array.of(12), 1, new Float32Array(20));
    }).toThrow(/row 12/);
  }
});

/** Sequences whose pages lie scattered in the cache, their tokens appended in calls of any size. */
function sequencesOf(shape: AttentionShape, lengths: readonly number[], sinks?: Float32Array) {
  const pagesOf = lengths.map((length) => Math.ceil(length / PAGE_TOKENS));
  const starts = pagesOf.map((_, i) => pagesOf.slice(0, i).reduce((a, b) => a + b, 0));
  const total = pagesOf.reduce((a, b) => a + b, 0);
  const pageTable = Int32Array.from({ length: total }, (_, i) => total - 1 - i);
  const tensors = lengths.map((length) => ({
    query: floats(length * shape.heads * shape.headDim, 2),
    key: floats(length * shape.kvHeads * shape.headDim, 2),
    value: floats(length * shape.kvHeads * shape.headDim, 2),
  }));
  const cache = new Float32Array(total * pageFloats(shape)).fill(NaN);
  return {
    cache,
    /** One call with [sequence, from, to) of some sequences, their tokens one sequence after the other. */
    call(run: typeof attention, parts: readonly (readonly [number, number, number])[]): Float32Array[] {
      const join = (name: 'query' | 'key' | 'value', width: number) =>
        Float32Array.from(
          parts.flatMap(([s, from, to]) => [...tensors[s]![name].subarray(from * width, to * width)]),
        );
      const layout: BatchLayout = {
        positions: Int32Array.from(
          parts.flatMap(([, from, to]) => Array.from({ length: to - from }, (_, i) => from + i)),
        ),
        pageTableOffsets: Int32Array.from(
          parts.flatMap(([s, from, to]) => Array.from({ length: to - from }, () => starts[s]!)),
        ),
        pageTable,
      };
      const tokens = layout.positions.length;
      const width = shape.heads * shape.headDim;
      const kvWidth = shape.kvHeads * shape.headDim;
      const out = new Float32Array(tokens * width);
      run(
        join('query', width),
        join('key', kvWidth),
        join('value', kvWidth),
        cache,
        shape,
        layout,
        tokens,
        out,
        sinks,
      );
      let at = 0;
      return parts.map(([, from, to]) => out.subarray(at, (at += (to - from) * width)));
    },
  };
}

const SHAPES: AttentionShape[] = [
  { heads: 1, kvHeads: 1, headDim: 6, scale: 0.4 },
  { heads: 6, kvHeads: 2, headDim: 32, scale: 32 ** -0.5 },
  { heads: 4, kvHeads: 2, headDim: 80, scale: 80 ** -0.5 },
  { heads: 14, kvHeads: 2, headDim: 64, scale: 0.125 },
  { heads: 6, kvHeads: 2, headDim: 32, scale: 0.2, window: 20 },
  { heads: 2, kvHeads: 1, headDim: 22, scale: 0.2, window: 16 },
];

/** A number for each head, some above all scores and some below. */
const sinksOf = ({ heads }: AttentionShape) =>
  Float32Array.from({ length: heads }, (_, h) => 3 * (h % 3) - 2);

test.each(instructionSets())('%s gives the bits of the reference', (instructionSet) => {
  const native = openInferenceKernels({ instructionSet });
  for (const shape of SHAPES) {
    const whole = [[0, 0, 37] as const, [1, 0, 5] as const];
    const sequences = sequencesOf(shape, [37, 5], sinksOf(shape));
    const found = sequences.call(native.attention, whole).map((out) => bitsOf(out.slice()));
    const expected = sequences.call(attentionReference, whole).map((out) => bitsOf(out.slice()));
    expect(found).toEqual(expected);
  }
  const [x, weight, bias] = [floats(500, 5), floats(500), floats(500)];
  agree(
    x.length,
    (y) => {
      native.layerNorm(x, weight, bias, 1e-5, 1, y);
    },
    (y) => {
      layerNormReference(x, weight, bias, 1e-5, 1, y);
    },
  );
});

test.each(SHAPES)(
  'attention with $heads / $kvHeads heads of $headDim, window $window, has the bits of the reference',
  (shape) => {
    const lengths = [37, 5, 64];
    const whole = lengths.map((length, s) => [s, 0, length] as const);
    const sequences = sequencesOf(shape, lengths);
    const native = sequences.call(attention, whole);
    const cache = sequences.cache.slice();
    const expected = sequences.call(attentionReference, whole);
    native.forEach((out, i) => {
      expect(bitsOf(out.slice())).toEqual(bitsOf(expected[i]!.slice()));
      expect(out.every(Number.isFinite)).toBe(true);
    });
    expect(bitsOf(cache)).toEqual(bitsOf(sequences.cache));
  },
);

test.each(SHAPES)(
  'with sinks, attention with $heads / $kvHeads heads of $headDim, window $window, has the bits of the reference',
  (shape) => {
    const lengths = [37, 5];
    const whole = lengths.map((length, s) => [s, 0, length] as const);
    const sequences = sequencesOf(shape, lengths, sinksOf(shape));
    const native = sequences.call(attention, whole).map((out) => bitsOf(out.slice()));
    expect(native).toEqual(sequences.call(attentionReference, whole).map((out) => bitsOf(out.slice())));
  },
);

test('a sink takes its share and gives nothing: far below the scores it is as if there were none, far above nothing is left', () => {
  const shape = { heads: 2, kvHeads: 1, headDim: 6, scale: 0.4 };
  const sinks = Float32Array.of(0, 0);
  const { call } = sequencesOf(shape, [1], sinks);
  // The first position sees itself alone: the value, times the share that the sink leaves to it.
  const at = (sink: number) => {
    sinks.fill(sink);
    return call(attention, [[0, 0, 1]])[0]!.slice();
  };
  const [without, beside, above] = [at(-1e30), at(0), at(1e30)];
  expect(above.every((value) => value === 0)).toBe(true);
  const shares = [0, 6].map((head) => beside[head]! / without[head]!);
  for (const [i, value] of beside.entries())
    expect(value / without[i]!).toBeCloseTo(shares[i < 6 ? 0 : 1]!, 5);
  for (const share of shares) expect(share > 0 && share < 1).toBe(true);
  expect(() => {
    sequencesOf(shape, [1], Float32Array.of(0)).call(attention, [[0, 0, 1]]);
  }).toThrow(/sinks/);
});

test('a window of one position gives the value that stands there', () => {
  const shape = SHAPES[1]!;
  const { cache, call } = sequencesOf({ ...shape, window: 1 }, [40]);
  const out = call(attention, [[0, 0, 40]])[0]!;
  for (const token of [0, 15, 16, 39]) {
    // The pages lie in reverse order: position 0 is in the last one.
    const page = (2 - Math.floor(token / PAGE_TOKENS)) * pageFloats(shape);
    const row = page + (shape.kvHeads * PAGE_TOKENS + (token % PAGE_TOKENS)) * shape.headDim;
    const at = token * shape.heads * shape.headDim;
    expect(out.slice(at, at + shape.headDim)).toEqual(cache.slice(row, row + shape.headDim));
  }
});

test.each([
  [SHAPES[1]!, false],
  [SHAPES[4]!, false],
  [SHAPES[4]!, true],
] as const)(
  'a sequence has the same bits alone, in a batch, and however it is cut (%j, sinks %j)',
  (shape, sinks) => {
    const lengths = [50, 33];
    const sequences = sequencesOf(shape, lengths, sinks ? sinksOf(shape) : undefined);
    const [alone] = sequences.call(attention, [[0, 0, 50]]);
    const [batched] = sequences.call(attention, [
      [0, 0, 50],
      [1, 0, 33],
    ]);
    expect(bitsOf(batched!.slice())).toEqual(bitsOf(alone!.slice()));
    sequences.cache.fill(NaN);
    const pieces = [0, 1, 17, 18, 40, 49, 50];
    const cut = pieces.slice(1).flatMap((to, i) => [...sequences.call(attention, [[0, pieces[i]!, to]])[0]!]);
    expect(bitsOf(Float32Array.from(cut))).toEqual(bitsOf(alone!.slice()));
  },
);

test('a token without pages in the cache is an error', () => {
  const shape = SHAPES[0]!;
  const x = floats(6);
  const layout = {
    positions: Int32Array.of(16),
    pageTableOffsets: Int32Array.of(0),
    pageTable: Int32Array.of(0),
  };
  const cache = new Float32Array(pageFloats(shape));
  expect(() => {
    attention(x, x, x, cache, shape, layout, 1, x.slice());
  }).toThrow(/no pages/);
  const beyond = {
    positions: Int32Array.of(0),
    pageTableOffsets: Int32Array.of(0),
    pageTable: Int32Array.of(1),
  };
  expect(() => {
    attention(x, x, x, cache, shape, beyond, 1, x.slice());
  }).toThrow(/no pages/);
});
