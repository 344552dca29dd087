import { MemoryObjectStore } from './memory-object-store.ts';
import {
  openFolder,
  openObjects,
  parseLocation,
  registerScheme,
  showLocation,
  type Scheme,
} from './index.ts';

const held = new MemoryObjectStore();

/** `held://NAME?token=…`: read and written in this process. */
const scheme: Scheme = {
  name: 'held',
  prefixes: ['held'],
  form: 'held://NAME',
  writable: true,
  show: (text) => text.replace(/\?.*$/, ''),
  parse: (text, refuse) => ({
    scheme: 'held',
    text,
    name: /^held:\/\/(\w+)/.exec(text)?.[1] ?? refuse('names nothing'),
    absolute: true,
    contains: (other) => other.text === text,
    resolve: () => Promise.resolve(parseLocation(text)),
    openFolder: () => Promise.resolve({ location: text, open: (name) => held.open(name) }),
    openObjects: () => Promise.resolve(held),
  }),
};
registerScheme(scheme);

test('a scheme that is registered is parsed, shown without secrets, and opened', async () => {
  expect(parseLocation('held://a?token=1')).toMatchObject({ scheme: 'held', name: 'a' });
  expect(showLocation('held://a?token=1')).toBe('held://a');
  const objects = await openObjects('held://a');
  await objects.put('config.json', [Uint8Array.of(1, 2)]);
  const source = await (await openFolder('held://a')).open('config.json');
  expect(source?.size).toBe(2);
});

test('what it refuses is refused in its words, and hints know its form', () => {
  expect(() => parseLocation('held://?token=1')).toThrow(
    expect.objectContaining({
      kind: 'usage',
      message: 'held:// names nothing',
      hint: 'give a folder, s3://BUCKET/PREFIX, held://NAME or, for a checkpoint, https://HOST/PATH/, hf:ORG/NAME[@REVISION]',
    }) as Error,
  );
  expect(() => parseLocation('held:a')).toThrow('has no // behind its scheme');
  expect(() => parseLocation('HELD://a')).toThrow('instead of held://');
});

test('one that cannot be written is no store, and says what is', async () => {
  await expect(openObjects('https://user:secret@host/x')).rejects.toMatchObject({
    kind: 'usage',
    message: 'https://host/x/ cannot be a store: it could not be written',
    hint: 'a store is a folder or s3://BUCKET/PREFIX or held://NAME',
  });
});

test('names outside a folder are opened through no scheme', async () => {
  const folder = await openFolder('held://a');
  for (const name of ['../a', 'a/b', '..', '']) {
    await expect(folder.open(name)).rejects.toMatchObject({
      message: expect.stringContaining('is not a plain file name'),
    });
  }
});

test('a prefix belongs to one scheme', () => {
  expect(() => {
    registerScheme({ ...scheme, name: 'other' });
  }).toThrow('held:// is registered already');
});
