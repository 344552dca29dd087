import { numberReader } from './numbers.ts';

const bytes = (numbers: Uint8Array | Uint16Array | Int32Array) =>
  new Uint8Array(numbers.buffer.slice(0) as ArrayBuffer);

test('numbers are read as they were kept', () => {
  expect([...numberReader(bytes(Uint8Array.of(1, 255)))({ at: 0, length: 2, as: 'u8' })]).toEqual([1, 255]);
  expect([...numberReader(bytes(Uint16Array.of(1, 65535)))({ at: 2, length: 1, as: 'u16' })]).toEqual([
    65535,
  ]);
  expect([...numberReader(bytes(Int32Array.of(70_000)))({ at: 0, length: 1, as: 'i32' })]).toEqual([70_000]);
});

test('levels become the numbers that they stand for', () => {
  const read = numberReader(bytes(Uint16Array.of(0, 65535, 0, 1, 65535)));
  const linear = { at: 0, length: 2, as: 'levels', low: 1, high: 3, log: false } as const;
  expect([...read(linear)]).toEqual([1, 3]);
  const [zero, low, high] = read({ at: 4, length: 3, as: 'levels', low: 0, high: Math.log(100), log: true });
  expect([zero, low]).toEqual([0, 1]);
  expect(high).toBeCloseTo(100, 9);
});
