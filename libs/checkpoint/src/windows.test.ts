import fc from 'fast-check';
import { CALIBRATION_ALGORITHM, calibrationWindows, evaluationWindows, separateWindows } from './windows.ts';

const tokens = (length: number) => Uint32Array.from({ length }, (_, i) => i);

const thrownBy = (action: () => unknown): unknown => {
  try {
    return action();
  } catch (error) {
    return error;
  }
};

test('every calibration window is a stretch of the text, and a smaller draw is a prefix of a larger one', () => {
  const options = fc.record({
    samples: fc.integer({ min: 1, max: 20 }),
    seqlen: fc.integer({ min: 1, max: 30 }),
    seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  });
  fc.assert(
    fc.property(options, fc.nat(100), ({ samples, seqlen, seed }, extra) => {
      const windows = calibrationWindows(tokens(seqlen + extra), { samples, seqlen, seed });
      expect(windows.length).toBe(samples * seqlen);
      const isStretch = (token: number, i: number) => token === windows[i - (i % seqlen)]! + (i % seqlen);
      expect(windows.every((token, i) => isStretch(token, i) && token < seqlen + extra)).toBe(true);
      const fewer = calibrationWindows(tokens(seqlen + extra), { samples: 1, seqlen, seed });
      expect(fewer).toEqual(windows.slice(0, seqlen));
    }),
    { seed: 5 },
  );
});

test('separate windows share no token, are as many as are asked for or the text has, and the seed orders them', () => {
  const of = (samples: number, seed = 1) => [
    ...separateWindows(tokens(3 * 40 + 2), { samples, seqlen: 3, seed }),
  ];
  expect(new Set(of(1000)).size).toBe(120);
  expect(of(7)).toEqual(of(1000).slice(0, 21));
  expect(of(40, 2)).not.toEqual(of(40));
  for (let i = 0; i < 21; i++) expect(of(7)[i]! % 3).toBe(i % 3);
  expect(thrownBy(() => separateWindows(tokens(2), { samples: 1, seqlen: 3, seed: 0 }))).toMatchObject({
    kind: 'text',
  });
});

/** MT19937 as its authors define it, and rejection sampling on 32 bits: what the algorithm's name promises. */
function referenceOffsets(seed: number, count: number, range: number): number[] {
  const state = new Uint32Array(624);
  state[0] = seed;
  for (let i = 1; i < 624; i++) {
    const previous = state[i - 1]! ^ (state[i - 1]! >>> 30);
    state[i] = Math.imul(1812433253, previous) + i;
  }
  let at = 624;
  const next = (): number => {
    if (at === 624) {
      for (let i = 0; i < 624; i++) {
        const y = (state[i]! & 0x80000000) | (state[(i + 1) % 624]! & 0x7fffffff);
        state[i] = state[(i + 397) % 624]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      at = 0;
    }
    let y = state[at++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
  return Array.from({ length: count }, () => {
    // pure-rand gives signed numbers and counts them from the smallest one.
    const draw = (): number => (next() ^ 0x80000000) >>> 0;
    let value = draw();
    while (value >= Math.floor(2 ** 32 / range) * range) value = draw();
    return value % range;
  });
}

test('the draw is the one that its name says, on any version of the library', () => {
  expect(CALIBRATION_ALGORITHM).toBe('uniform-offsets-mt19937-1');
  for (const seed of [0, 1, 5489, 2 ** 32 - 1]) {
    const drawn = calibrationWindows(tokens(500_009), { samples: 700, seqlen: 10, seed });
    const offsets = Array.from({ length: 700 }, (_, i) => drawn[10 * i]!);
    expect(offsets).toEqual(referenceOffsets(seed, 700, 500_000));
  }
});

test('evaluation windows are the text itself without the tail', () => {
  expect(evaluationWindows(tokens(11), 4)).toEqual(tokens(8));
  expect(evaluationWindows(tokens(4), 4)).toEqual(tokens(4));
  expect(evaluationWindows(tokens(11), 4, 1)).toEqual(tokens(4));
  expect(evaluationWindows(tokens(11), 4, 9)).toEqual(tokens(8));
});

test('a text shorter than one window is an error that says what was found and what is needed', () => {
  const message = 'the text has 3 tokens; one window needs 4';
  const expected = { kind: 'text', message, context: { found: 3, needed: 4 } };
  expect(thrownBy(() => evaluationWindows(tokens(3), 4))).toMatchObject(expected);
  const options = { samples: 1, seqlen: 4, seed: 0 };
  expect(thrownBy(() => calibrationWindows(tokens(3), options))).toMatchObject(expected);
});

test('more tokens than are drawn is an error about the samples, with how many there may be', () => {
  const error = thrownBy(() =>
    calibrationWindows(tokens(1000), { samples: 1_000_000, seqlen: 512, seed: 0 }),
  );
  expect(error).toMatchObject({
    kind: 'usage',
    message: expect.stringMatching(/^1000000 samples of 512 tokens/),
    hint: expect.stringContaining('at most 524288 samples'),
  });
});

test.each([
  { samples: 0 },
  { samples: 1.5 },
  { seqlen: 0 },
  { seqlen: NaN },
  { seed: -1 },
  { seed: 2 ** 32 },
  { seed: 0.5 },
])('%j is refused by name', (wrong) => {
  const options = { samples: 2, seqlen: 4, seed: 0, ...wrong };
  expect(thrownBy(() => calibrationWindows(tokens(100), options))).toMatchObject({
    kind: 'usage',
    message: expect.stringContaining(Object.keys(wrong).at(-1)!),
  });
});
