import fc from 'fast-check';
import { ropeTables } from '@esparse/model';
import { fillingOrder, inRowOrder, rowsOfHeads, turningOrder, turnsOf } from './turning-rows.ts';

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
    headDim: fc.constantFrom(16, 48, 64, 80, 96, 128),
    eighths: fc.integer({ min: 0, max: 8 }),
    position: fc.nat(POSITIONS - 1),
    seed: fc.nat(1000),
  });
  fc.assert(
    fc.property(cases, ({ headDim, eighths, position, seed }) => {
      const rotated = (headDim / 8) * eighths;
      const places = headDim <= 64 ? 64 : 128;
      const spec = rotated === 0 ? undefined : { type: 'default' as const, channels: rotated, theta: 10_000 };
      const head = Array.from({ length: headDim }, (_, i) => Math.sin(i * 1.7 + seed));
      const order = turningOrder(headDim, rotated, places) ?? head.map((_, place) => place);
      expect(order).toHaveLength(places);
      expect(order.filter((channel) => channel >= 0).sort((a, b) => a - b)).toEqual(
        head.map((_, place) => place),
      );
      const { cos, sin } = turnsOf(spec, places, POSITIONS);
      const [from, to] = [(position * places) / 2, ((position + 1) * places) / 2];
      const device = turned(
        order.map((channel) => head[channel] ?? 0),
        cos.subarray(from, to),
        sin.subarray(from, to),
        places / 2,
      );
      const back = head.slice();
      for (const [place, channel] of order.entries()) if (channel >= 0) back[channel] = device[place]!;
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

test('heads that turn whole and fill their places keep their order; rows of all heads are in the order of one', () => {
  expect(turningOrder(64, 64, 64)).toBeUndefined();
  expect(fillingOrder(64, 64)).toBeUndefined();
  expect(fillingOrder(2, 4)).toEqual([0, 1, -1, -1]);
  const rows = rowsOfHeads([2, 0, -1, 1], 2, 3);
  expect([...rows]).toEqual([2, 0, -1, 1, 5, 3, -1, 4]);
  expect([...inRowOrder(Float32Array.of(9, 8, 7, 6, 5, 4), rows)]).toEqual([7, 9, 0, 8, 4, 6, 0, 5]);
});
