import type { ByteSource } from './byte-source.ts';
import { inParts } from './in-parts.ts';

const MIB = 1024 * 1024;

/** Bytes that say where they are, and how they were asked for. */
function counting(size: number, fails: (offset: number) => boolean = () => false) {
  const reads: [number, number][] = [];
  let underWay = 0;
  const source: ByteSource & { mostAtOnce: number } = {
    size,
    mostAtOnce: 0,
    async readInto(offset, target) {
      reads.push([offset, target.byteLength]);
      source.mostAtOnce = Math.max(source.mostAtOnce, ++underWay);
      await new Promise(setImmediate);
      underWay--;
      if (fails(offset)) throw new Error(`no bytes at ${offset}`);
      for (let i = 0; i < target.byteLength; i += MIB) target[i] = (offset + i) / MIB;
      return true;
    },
    close: () => Promise.resolve(),
  };
  return { source, reads };
}

test('a long read is cut into parts of 8 MiB, four at a time, and put together in order', async () => {
  const { source, reads } = counting(64 * MIB);
  const target = new Uint8Array(50 * MIB);
  expect(await inParts(source).readInto(3 * MIB, target)).toBe(true);
  expect(reads.map(([, length]) => length / MIB)).toEqual([8, 8, 8, 8, 8, 8, 2]);
  expect(source.mostAtOnce).toBe(4);
  expect(Array.from({ length: 50 }, (_, i) => target[i * MIB])).toEqual(
    Array.from({ length: 50 }, (_, i) => i + 3),
  );
});

test('what lies beyond the end is not asked for, and a part that fails fails the read', async () => {
  const short = counting(10);
  expect(await inParts(short.source).readInto(5, new Uint8Array(6))).toBe(false);
  expect(await inParts(short.source).readInto(10, new Uint8Array(0))).toBe(true);
  expect(short.reads).toEqual([]);
  const failing = counting(64 * MIB, (offset) => offset === 8 * MIB);
  await expect(inParts(failing.source).readInto(0, new Uint8Array(64 * MIB))).rejects.toThrow('8388608');
  expect(failing.reads.length).toBeLessThan(8);
});
