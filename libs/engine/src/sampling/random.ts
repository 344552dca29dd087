/** Gives the next number of a stream. */
export interface SeededRandom {
  (): number;
  /** The four words that the numbers to come follow from: a device can go on from them. */
  state(): readonly [number, number, number, number];
}

/**
 * Uniform numbers in [0, 1) with 32 bits, the same for the same seed everywhere: sfc32 (C. Doty-Humphrey's small fast
 * counting generator), its state filled from the seed.
 *
 * @param seed a whole number up to 2^53; its sign counts
 */
export function seededRandom(seed: number): SeededRandom {
  let a = seed | 0;
  let b = Math.floor(seed / 2 ** 32) | 0;
  let c = 0x9e3779b9 | 0;
  let counter = 1;
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return (sum >>> 0) / 2 ** 32;
  };
  // The first outputs of similar seeds are similar.
  for (let i = 0; i < 16; i++) next();
  return Object.assign(next, { state: () => [a, b, c, counter] as const });
}
