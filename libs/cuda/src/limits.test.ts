import { thrownBy } from '@esparse/laws';
import { requireRunnable } from './limits.ts';
import { deviceHeadDim, type DecoderShape } from './shape.ts';

const SHAPE: DecoderShape = {
  ...{ hidden: 512, inner: 1024, layers: 2, heads: 8, kvHeads: 2, headDim: 64, vocab: 1000 },
  ...{ epsilon: 1e-5, headEpsilon: 1e-5, embeddingFactor: 1, scale: 0.125 },
  ...{ norm: 'rms', lastNorm: 'rms', headNorm: 'none', normsAfter: undefined },
  ...{ activation: 'silu', gated: true, biased: false, sinks: false },
};

test('sizes that the kernels do not have are refused by name', () => {
  expect(() => {
    requireRunnable(SHAPE);
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
      requireRunnable({ ...SHAPE, ...shape });
    });
    expect(refused).toMatchObject({ kind: 'unsupported', message: expect.stringContaining(said) });
  }
});

test('a head has as many channels on the device as the kernels have next', () => {
  expect([16, 64, 80, 96, 128, 130, 256].map(deviceHeadDim)).toEqual([64, 64, 128, 128, 128, 256, 256]);
});
