import { MemoryObjectStore } from '@esparse/storage';
import {
  checkSeal,
  readSealedGroup,
  readSealedObject,
  sealedGroup,
  sealedObject,
} from './sealed-document.ts';

const attributes = { pattern: '2:4', note: 'a "seal": "00000000" in a string', crc32c: '00000000' };

test('what is sealed reads back, without format and seal', async () => {
  const store = new MemoryObjectStore();
  await store.put('zarr.json', [sealedGroup(attributes, 'x')]);
  await store.put('current', [sealedObject(attributes, 'x')]);
  expect(await readSealedGroup(store, 'zarr.json')).toEqual(attributes);
  expect(await readSealedObject(store, 'current')).toEqual(attributes);
  expect(await readSealedObject(store, 'absent')).toBeUndefined();
});

test('a flip of any bit of a sealed document is found', () => {
  const store = new MemoryObjectStore();
  const sound = sealedGroup(attributes, 'x');
  checkSeal(store, 'x', sound);
  for (let bit = 0; bit < sound.byteLength * 8; bit++) {
    const flipped = sound.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    expect(() => {
      checkSeal(store, 'x', flipped);
    }).toThrow(
      expect.objectContaining({ kind: 'store', message: expect.stringContaining('damaged') }) as Error,
    );
  }
});

test('a newer format is refused before anything else, saying both versions', async () => {
  const store = new MemoryObjectStore();
  await store.put('zarr.json', [
    Buffer.from('{"zarr_format":3,"node_type":"group","attributes":{"esparse":{"format":7,"seal":"?"}}}'),
  ]);
  await expect(readSealedGroup(store, 'zarr.json')).rejects.toMatchObject({
    kind: 'store',
    message: expect.stringMatching(/format 7.*up to format 1/),
    hint: 'upgrade esparse',
  });
});

test.each(['', 'null', '{', '\xff', '[]', '{"zarr_format":2}', '{"zarr_format":3,"node_type":"array"}'])(
  'the hostile document %j is an error that names it',
  async (text) => {
    const store = new MemoryObjectStore();
    await store.put('zarr.json', [Buffer.from(text, 'latin1')]);
    await expect(readSealedGroup(store, 'zarr.json')).rejects.toMatchObject({
      kind: 'store',
      message: expect.stringContaining('zarr.json'),
    });
  },
);

test('the names of format and seal are reserved, at any depth for the seal', () => {
  for (const reserved of [{ format: 1 }, { seal: '' }, { deep: { seal: '00000000' } }]) {
    expect(() => sealedObject(reserved, 'x')).toThrow(expect.objectContaining({ kind: 'usage' }) as Error);
  }
});
