import { crc32, inflateRawSync } from 'node:zlib';
import { EsparseError } from '@esparse/errors';

/** A file in an archive, inflated. */
export interface ZipEntry {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Largest file of an archive: what a buffer of Node 20 holds. */
const MAX_ENTRY_BYTES = 2 ** 32 - 1;
const MAX_ENTRIES = 10_000;

const END = 0x06054b50;
const END_64 = 0x06064b50;
const CENTRAL = 0x02014b50;
const LOCAL = 0x04034b50;

/**
 * Reads the files of a zip archive, stored or deflated, as numpy.savez and savez_compressed write them.
 * @param name of the archive, for messages
 * @throws EsparseError 'text' for what is no such archive, or damaged
 */
export function readZip(file: Uint8Array, name: string): ZipEntry[] {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const refuse = (why: string): never => {
    throw new EsparseError('text', `${name}: ${why}`, {
      hint: 'numpy.savez and savez_compressed write what is read here',
    });
  };
  try {
    let { count, at } = directoryOf(bytes) ?? refuse('it is no .npz file, or is cut short');
    if (count > MAX_ENTRIES) refuse(`it has ${count} files, more than ${MAX_ENTRIES}`);
    const entries: ZipEntry[] = [];
    for (; count > 0; count--) {
      if (bytes.readUInt32LE(at) !== CENTRAL) refuse('it is damaged');
      const method = bytes.readUInt16LE(at + 10);
      const sum = bytes.readUInt32LE(at + 16);
      const nameLength = bytes.readUInt16LE(at + 28);
      const extraLength = bytes.readUInt16LE(at + 30);
      const entry = bytes.toString('utf8', at + 46, at + 46 + nameLength);
      const { packed, size, begin } = sizesOf(bytes, at, nameLength, extraLength);
      at += 46 + nameLength + extraLength + bytes.readUInt16LE(at + 32);
      if (size > MAX_ENTRY_BYTES) refuse(`${entry} has ${size} bytes, more than ${MAX_ENTRY_BYTES}`);
      if (bytes.readUInt32LE(begin) !== LOCAL) refuse('it is damaged');
      const from = begin + 30 + bytes.readUInt16LE(begin + 26) + bytes.readUInt16LE(begin + 28);
      if (from + packed > bytes.length) refuse('it is cut short');
      const stored = bytes.subarray(from, from + packed);
      if (method !== 0 && method !== 8) refuse(`${entry} is packed by a method that is not read`);
      const found = method === 0 ? stored : inflateRawSync(stored, { maxOutputLength: Math.max(1, size) });
      if (found.length !== size || crc32(found) !== sum) refuse(`${entry} is damaged`);
      entries.push({ name: entry, bytes: found });
    }
    return entries;
  } catch (cause) {
    if (cause instanceof EsparseError) throw cause;
    throw new EsparseError('text', `${name}: it is damaged, or cut short`, { cause });
  }
}

/** Where the list of files begins, and how many there are. */
function directoryOf(bytes: Buffer): { count: number; at: number } | undefined {
  const last = bytes.length - 22;
  for (let end = last; end >= Math.max(0, last - 0xffff); end--) {
    if (bytes.readUInt32LE(end) !== END) continue;
    const [count, at] = [bytes.readUInt16LE(end + 10), bytes.readUInt32LE(end + 16)];
    if (count !== 0xffff && at !== 0xffffffff) return { count, at };
    const far = Number(bytes.readBigUInt64LE(end - 20 + 8));
    if (bytes.readUInt32LE(far) !== END_64) return undefined;
    return { count: Number(bytes.readBigUInt64LE(far + 32)), at: Number(bytes.readBigUInt64LE(far + 48)) };
  }
  return undefined;
}

/** Sizes and place of a file; what does not fit 32 bits is in the extra field. */
function sizesOf(bytes: Buffer, at: number, nameLength: number, extraLength: number) {
  let [packed, size, begin] = [20, 24, 42].map((offset) => bytes.readUInt32LE(at + offset)) as [
    number,
    number,
    number,
  ];
  let extra = at + 46 + nameLength;
  const stop = extra + extraLength;
  while (extra + 4 <= stop) {
    const [id, length] = [bytes.readUInt16LE(extra), bytes.readUInt16LE(extra + 2)];
    let field = extra + 4;
    const next = () => {
      field += 8;
      return Number(bytes.readBigUInt64LE(field - 8));
    };
    if (id === 1) {
      if (size === 0xffffffff) size = next();
      if (packed === 0xffffffff) packed = next();
      if (begin === 0xffffffff) begin = next();
    }
    extra += 4 + length;
  }
  return { packed, size, begin };
}
