import { amplitude, entropy } from '@esparse/statistics';
import { layersOf, smallWorkload, statistic } from './testing/small-workload.ts';
import {
  hiddenBytes,
  packedBlockBytes,
  readBytes,
  sketchChannelBytes,
  wireBytes,
  writtenBytes,
} from './traffic.ts';
import { channelsOf } from './workload.ts';

const STORE = { bytes: 1.1e8, arrays: 1e8 };
const KNOWN = [amplitude, entropy];
const dense = [statistic('drift', { needsDense: true })];

test('the pruner reads every weight once, whatever workers do', () => {
  const { weights, description } = smallWorkload();
  const outer = description.outerTensors.reduce(
    (sum, { shape }) => sum + shape.reduce((all, size) => all * size, 2),
    0,
  );
  for (const options of [{}, { workers: 9 }, { samples: 64 }, { statistics: [] }, { statistics: dense }]) {
    expect(readBytes(smallWorkload(options), STORE).pruner).toBe(4 * 2 * weights + outer);
  }
});

test('a further worker that has work reads every block once more, and the hidden states stay', () => {
  const read = (workers: number) => readBytes(smallWorkload({ workers }), STORE).workers;
  const { weights, advances } = smallWorkload();
  const blocks = 4 * 2 * weights + packedBlockBytes(smallWorkload(), STORE) * advances;
  expect(Math.abs(read(3) - read(2) - blocks)).toBeLessThanOrEqual(1);
  expect(read(9)).toBe(read(8));
});

test('the store is its outer tensors and its blocks', () => {
  const { description, weightBytes } = smallWorkload();
  const outer = description.outerTensors.reduce(
    (sum, { shape }) => sum + shape.reduce((all, size) => all * size, weightBytes),
    0,
  );
  expect(4 * packedBlockBytes(smallWorkload(), STORE) + outer).toBe(STORE.arrays);
});

test('without statistics only weights are moved', () => {
  const workload = smallWorkload({ statistics: [] });
  expect(readBytes(workload, STORE).workers).toBe(0);
  expect(writtenBytes(workload, STORE)).toEqual({ store: STORE.bytes, hidden: 0 });
  expect(wireBytes(workload, [])).toEqual({ pruner: 0, worker: 0 });
  expect(hiddenBytes(workload)).toBe(0);
});

test('activations cross the wire as a float a channel and token, of both models where both are needed', () => {
  for (const statistics of [undefined, dense]) {
    const workload = smallWorkload({ ...(statistics && { statistics }) });
    const activations = 4 * workload.tokens * workload.streamed;
    const beside = wireBytes(workload, []).pruner - activations;
    // 32 sequences, a few dozen bytes for each of their four taps of a block.
    const blocks = statistics === undefined ? 4 : 4 + 3;
    expect(beside).toBe(50 * 32 * 4 * blocks);
  }
  expect(wireBytes(smallWorkload({ layers: layersOf('*=dense') }), []).pruner).toBe(0);
});

test('sketches cross the wire where workers know every statistic: with more tokens they stop growing', () => {
  const sketches = (samples: number) => wireBytes(smallWorkload({ samples }), KNOWN).worker!;
  expect(sketches(64)).toBe(sketches(32));
  expect(sketches(64)).toBe(2 * channelsOf(smallWorkload().taps) * sketchChannelBytes(Infinity));
  expect(wireBytes(smallWorkload(), [...KNOWN, ...dense])).not.toHaveProperty('worker');
});

test("a channel's part of a sketch never shrinks with its tokens, and has a bound", () => {
  const sizes = [0, 1, 100, 1000, 1e9].map(sketchChannelBytes);
  expect(sizes).toEqual(sizes.toSorted((a, b) => a - b));
  expect(sizes.at(-1)).toBe(sketchChannelBytes(Infinity));
});

test('hidden states that are written, and that lie there at once, are proportional to tokens and models', () => {
  const [one, two, both] = [
    smallWorkload(),
    smallWorkload({ samples: 64 }),
    smallWorkload({ statistics: dense }),
  ];
  expect(hiddenBytes(two)).toBe(2 * hiddenBytes(one));
  expect(hiddenBytes(both)).toBe(2 * hiddenBytes(one));
  const written = (workload: typeof one) => writtenBytes(workload, STORE).hidden;
  // The embedding once, then one output a model of every block but the last.
  expect(written(one)).toBe(4 * one.boundary);
  expect(written(two)).toBe(2 * written(one));
  expect(written(both)).toBe(7 * one.boundary);
});
