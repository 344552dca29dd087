import { MAX_LEVEL } from '@esparse/report-page';
import { Attachment } from './attachment.ts';

test('every array begins at a multiple of four bytes, as views of it need', () => {
  const attachment = new Attachment();
  const found = [
    attachment.add(Uint8Array.of(1, 2, 3)),
    attachment.addOrder(Int32Array.of(2, 0, 1)),
    attachment.add(Uint8Array.of(9)),
  ];
  expect(found).toEqual([
    { at: 0, length: 3, as: 'u8' },
    { at: 4, length: 3, as: 'u16' },
    { at: 12, length: 1, as: 'u8' },
  ]);
  expect([...attachment.bytes()]).toEqual([1, 2, 3, 0, 2, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0]);
});

test('levels reach from the least to the greatest number, and zeros stay zeros', () => {
  const attachment = new Attachment();
  expect(attachment.addLevels(Float32Array.of(1, 3, 2))).toMatchObject({ low: 1, high: 3, log: false });
  expect(attachment.addLogLevels(Float32Array.of(0, 1, 100))).toMatchObject({ low: 0, log: true });
  expect(attachment.addLevels(Float32Array.of(7, 7))).toMatchObject({ low: 7, high: 7 });
  const levels = [...new Uint16Array(attachment.bytes().buffer)];
  expect(levels).toEqual([0, MAX_LEVEL, 32768, 0, 0, 1, MAX_LEVEL, 0, 0, 0]);
});
