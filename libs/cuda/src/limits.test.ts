import { thrownBy } from '@esparse/laws';
import { deviceEncoding, encodingBits, packedBytes, requireRunnable } from './limits.ts';
import { deviceHeadDim, type DecoderShape } from './shape.ts';

const SHAPE: DecoderShape = {
  ...{ hidden: 512, inner: 1024, layers: 2, heads: 8, kvHeads: 2, headDim: 64, vocab: 1000 },
  ...{ epsilon: 1e-5, headEpsilon: 1e-5, embeddingFactor: 1, scale: 0.125 },
  ...{ norm: 'rms', lastNorm: 'rms', headNorm: 'none', normsAfter: undefined },
  ...{ activation: 'silu', gated: true, biased: false, sinks: false },
};

test('sizes that the kernels do not have are refused by name', () => {
  expect(() => {
    requireRunnable(SHAPE, 90);
    requireRunnable({ ...SHAPE, hidden: 4096, inner: 14_336 }, 80);
  }).not.toThrow();
  for (const [shape, said] of [
    [{ headDim: 320 }, 'heads of 320 channels: there are even numbers up to 256'],
    [{ headDim: 65 }, 'heads of 65 channels'],
    [{ heads: 9 }, '9 query heads to 2 key heads'],
    [{ hidden: 510 }, 'a hidden size of 510'],
    [{ hidden: 9600 }, 'a hidden size of 9600'],
    [{ inner: 30_000 }, 'an inner size of 30000'],
    [{ mixture: { experts: 300, top: 2, normalise: true } }, '2 of 300 experts a token'],
    [{ mixture: { experts: 64, top: 9, normalise: true } }, '9 of 64 experts a token'],
  ] as const) {
    const refused = thrownBy(() => {
      requireRunnable({ ...SHAPE, ...shape }, 90);
    });
    expect(refused).toMatchObject({ kind: 'unsupported', message: expect.stringContaining(said) });
  }
});

test('what has no room, or no kernels, on GPUs before Hopper is refused by name', () => {
  for (const [shape, said] of [
    [{ hidden: 8192 }, 'a hidden size of 8192: there are multiples of 4 up to 7808'],
    [{ inner: 18_944 }, 'an inner size of 18944: there are multiples of 4 up to 14720'],
  ] as const) {
    const refused = thrownBy(() => {
      requireRunnable({ ...SHAPE, ...shape }, 80);
    });
    expect(refused).toMatchObject({ kind: 'unsupported', message: expect.stringContaining(said) });
  }
});

test('a head has as many channels on the device as the kernels have next', () => {
  expect([16, 64, 80, 96, 128, 130, 256].map(deviceHeadDim)).toEqual([64, 64, 128, 128, 128, 256, 256]);
});

test('integers have an encoding on the device where their scales are for as many inputs as it has', () => {
  const of = (keep: number, group: number, bits: 4 | 8, span: number, cols = 4096) =>
    deviceEncoding({ cols, keep, group, bits, span });
  expect(of(2, 4, 8, 16)).toBe('sparse8');
  expect(of(2, 4, 4, 48)).toBe('sparse4');
  expect(of(2, 4, 4, 8)).toBe('sparse4fine');
  expect(of(1, 1, 8, 32)).toBe('dense8');
  expect(of(1, 1, 4, 128)).toBe('dense4');
  // Scales for half as many, for parts of 64 inputs, or of another pattern.
  for (const kind of [of(2, 4, 8, 8), of(2, 4, 4, 12), of(1, 1, 8, 16), of(4, 8, 4, 8)]) {
    expect(kind).toBeUndefined();
  }
  // One for a whole row.
  expect(of(2, 4, 8, 25, 100)).toBe('sparse8');
  expect(deviceEncoding({ cols: 100, keep: 2, group: 4 })).toBe('sparse');
  expect(deviceEncoding({ cols: 100, keep: 4, group: 8 })).toBeUndefined();
  expect(['sparse4fine', 'dense8', 'dense'].map((kind) => encodingBits(kind as 'dense'))).toEqual([
    4,
    8,
    undefined,
  ]);
});

test('what integers take on the device is what the layout of the kernels has', () => {
  // Bytes of a block of 2 tiles: `kernels/integer_layout.h`.
  const block = { rows: 128, cols: 128 };
  expect(packedBytes(block, 'sparse8')).toBe(4 * 2 * 1344);
  expect(packedBytes(block, 'sparse4')).toBe(4 * 2 * 832);
  expect(packedBytes(block, 'sparse4fine')).toBe(4 * 2 * 896);
  expect(packedBytes(block, 'dense8')).toBe(4 * 2 * 2 * 1088);
  expect(packedBytes(block, 'dense4')).toBe(4 * 2 * 2 * 576);
});
