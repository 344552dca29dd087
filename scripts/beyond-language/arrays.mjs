/** Files of NumPy, as `esparse` reads them. */
import { writeFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { writeNpy } from '@esparse/checkpoint';

export const floats = (data, ...shape) => array(1, data, shape);
export const words = (data, ...shape) => array(6, Int32Array.from(data), shape);
export const longs = (data, ...shape) => array(7, BigInt64Array.from(data, BigInt), shape);

function array(type, data, shape) {
  return { type, shape, bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}

/** Writes arrays, by name, as numpy.savez does. */
export function writeNpz(file, arrays) {
  const [parts, directory] = [[], []];
  let at = 0;
  for (const [name, value] of Object.entries(arrays)) {
    const entry = Buffer.from(`${name}.npy`);
    const bytes = Buffer.from(writeNpy(value));
    const head = Buffer.alloc(26);
    head.writeUInt16LE(20, 0);
    head.writeUInt32LE(crc32(bytes), 10);
    head.writeUInt32LE(bytes.length, 14);
    head.writeUInt32LE(bytes.length, 18);
    head.writeUInt16LE(entry.length, 22);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(at, 10);
    directory.push(Buffer.from('PK\x01\x02\x14\x00', 'latin1'), head, place, entry);
    const local = [Buffer.from('PK\x03\x04', 'latin1'), head, entry, bytes];
    parts.push(...local);
    at += local.reduce((sum, { length }) => sum + length, 0);
  }
  const list = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(Object.keys(arrays).length, 8);
  end.writeUInt16LE(Object.keys(arrays).length, 10);
  end.writeUInt32LE(list.length, 12);
  end.writeUInt32LE(at, 16);
  writeFileSync(file, Buffer.concat([...parts, list, end]));
}

/** Numbers from 0 to 1 that are the same each time (a xorshift of 32 bits). */
export function chance(seed) {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** A normal deviate. */
export function normal(next) {
  return Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
}
