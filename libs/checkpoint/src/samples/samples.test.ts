import { execFileSync, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { deflateRawSync, crc32 } from 'node:zlib';
import { readNpy, writeNpy, type ArrayValue } from './npy.ts';
import { openSamples } from './samples.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'esparse-samples-'));
});
afterAll(() => rm(folder, { recursive: true }));

const array = (values: readonly number[], ...shape: number[]): ArrayValue => ({
  ...{ type: 1, shape },
  bytes: new Uint8Array(Float32Array.from(values).buffer),
});
const valuesOf = ({ bytes }: ArrayValue) => [...new Float32Array(new Uint8Array(bytes).buffer)];
const x = { name: 'x', type: 1, shape: [null, 2] };

test('a .npy file comes back as it was written, one in column-major order as it is meant', () => {
  const one = array([1, 2, 3, 4, 5, 6], 2, 3);
  expect(readNpy(writeNpy(one), 'it')).toEqual(one);
  const columns = Buffer.from(writeNpy(array([1, 4, 2, 5, 3, 6], 2, 3)));
  const text = columns.toString('latin1').replace("'fortran_order': False", "'fortran_order': True ");
  expect(valuesOf(readNpy(Buffer.from(text, 'latin1'), 'it'))).toEqual([1, 2, 3, 4, 5, 6]);
  expect(() => readNpy(columns.subarray(0, -1), 'it')).toThrow('cut short');
});

/** An archive of one deflated file, with the sizes that 32 bits do not hold in the extra field, as NumPy forces them. */
function deflated(name: string, bytes: Uint8Array): Buffer {
  const packed = deflateRawSync(bytes);
  const file = Buffer.from(name);
  const extra = Buffer.alloc(20);
  extra.writeUInt16LE(1, 0);
  extra.writeUInt16LE(16, 2);
  extra.writeBigUInt64LE(BigInt(bytes.length), 4);
  extra.writeBigUInt64LE(BigInt(packed.length), 12);
  const head = Buffer.alloc(26);
  head.writeUInt16LE(8, 4);
  head.writeUInt32LE(crc32(bytes), 10);
  head.writeUInt32LE(0xffffffff, 14);
  head.writeUInt32LE(0xffffffff, 18);
  head.writeUInt16LE(file.length, 22);
  head.writeUInt16LE(extra.length, 24);
  const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), head, file, extra, packed]);
  const entry = Buffer.concat([
    Buffer.from('PK\x01\x02\x14\x00', 'latin1'),
    head,
    Buffer.alloc(14),
    file,
    extra,
  ]);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(entry.length, 12);
  end.writeUInt32LE(local.length, 16);
  return Buffer.concat([local, entry, end]);
}

test('an array is cut along its first axis; one with an axis more has its samples there; one sample is of all', async () => {
  const file = path.join(folder, 'a.npz');
  await writeFile(file, deflated('x.npy', writeNpy(array([1, 2, 3, 4, 5, 6], 3, 2))));
  const cut = await openSamples(file, { inputs: [x] });
  expect(cut.count).toBe(3);
  expect(cut.sample(1).get('x')).toMatchObject({ shape: [1, 2] });
  expect(valuesOf(cut.sample(1).get('x')!)).toEqual([3, 4]);
  await writeFile(file, deflated('x.npy', writeNpy(array([1, 2, 3, 4, 5, 6, 7, 8], 2, 2, 2))));
  const stacked = await openSamples(file, { inputs: [x] });
  expect(stacked.count).toBe(2);
  expect(stacked.sample(1).get('x')).toMatchObject({ shape: [2, 2] });
  expect(stacked.digest(1)).not.toBe(stacked.digest(2));
});

test('a folder has a file for each input, or samples of the only one, in the order of their names', async () => {
  const place = path.join(folder, 'several');
  await mkdir(place);
  await writeFile(path.join(place, 'b.npy'), writeNpy(array([3, 4], 1, 2)));
  await writeFile(path.join(place, 'a.npy'), writeNpy(array([1, 2], 1, 2)));
  const samples = await openSamples(place, { inputs: [x] });
  expect([0, 1].map((i) => valuesOf(samples.sample(i).get('x')!))).toEqual([
    [1, 2],
    [3, 4],
  ]);
  const inputs = ['a', 'b'].map((name) => ({ ...x, name }));
  expect(valuesOf((await openSamples(place, { inputs })).sample(0).get('b')!)).toEqual([3, 4]);
  await expect(openSamples(place, { inputs: [...inputs, x] })).rejects.toMatchObject({ kind: 'text' });
});

const python = process.env.ESPARSE_TEST_PYTHON ?? 'python3';
const hasNumpy = spawnSync(python, ['-c', 'import numpy']).status === 0;
if (!hasNumpy) process.emitWarning('there is no NumPy here: its own archives are not read');

(hasNumpy ? test : test.skip)('archives of NumPy are read, stored and deflated', async () => {
  for (const save of ['savez', 'savez_compressed']) {
    const file = path.join(folder, `${save}.npz`);
    const script = `import numpy as n; n.${save}(${JSON.stringify(file)}, x=n.arange(6, dtype='<f4').reshape(3, 2))`;
    execFileSync(python, ['-c', script]);
    expect(valuesOf((await openSamples(file, { inputs: [x] })).sample(2).get('x')!)).toEqual([4, 5]);
  }
});
