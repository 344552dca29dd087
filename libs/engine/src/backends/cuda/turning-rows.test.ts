import fc from 'fast-check';
import { ropeTables } from '@esparse/model';
import { turningOrder, turningRows, turnsOf } from './turning-rows.ts';

const POSITIONS = 7;

/** Channel j of a head turned with channel j + apart, as many as there are angles. */
function turned(head: readonly number[], cos: Float32Array, sin: Float32Array, apart: number): number[] {
  const out = [...head];
  for (const [j, c] of cos.entries()) {
    const [a, b] = [head[j]!, head[j + apart]!];
    out[j] = a * c - b * sin[j]!;
    out[j + apart] = b * c + a * sin[j]!;
  }
  return out;
}

test('a head in the order of the device, turned as the kernels do, is the head turned in part', () => {
  const cases = fc.record({
    headDim: fc.constantFrom(64, 128),
    quarters: fc.integer({ min: 0, max: 16 }),
    position: fc.nat(POSITIONS - 1),
    seed: fc.nat(1000),
  });
  fc.assert(
    fc.property(cases, ({ headDim, quarters, position, seed }) => {
      const rotated = (headDim / 16) * quarters;
      const spec = rotated === 0 ? undefined : { type: 'default' as const, channels: rotated, theta: 10_000 };
      const head = Array.from({ length: headDim }, (_, i) => Math.sin(i * 1.7 + seed));
      const order = turningOrder(headDim, rotated) ?? head.map((_, place) => place);
      expect([...order].sort((a, b) => a - b)).toEqual(head.map((_, place) => place));
      const { cos, sin } = turnsOf(spec, headDim, POSITIONS);
      const [from, to] = [(position * headDim) / 2, ((position + 1) * headDim) / 2];
      const device = turned(
        order.map((channel) => head[channel]!),
        cos.subarray(from, to),
        sin.subarray(from, to),
        headDim / 2,
      );
      const back = head.slice();
      for (const [place, channel] of order.entries()) back[channel] = device[place]!;
      const expected =
        spec === undefined
          ? head
          : turned(
              head,
              ropeTables(spec, POSITIONS).cos.subarray(
                (position * rotated) / 2,
                ((position + 1) * rotated) / 2,
              ),
              ropeTables(spec, POSITIONS).sin.subarray(
                (position * rotated) / 2,
                ((position + 1) * rotated) / 2,
              ),
              rotated / 2,
            );
      expect(back).toEqual(expected);
    }),
    { seed: 1 },
  );
});

test('heads that turn whole keep their order; rows of all heads are in the order of one', () => {
  expect(turningOrder(64, 64)).toBeUndefined();
  expect([...turningRows([2, 0, 1], 2)]).toEqual([2, 0, 1, 5, 3, 4]);
});
