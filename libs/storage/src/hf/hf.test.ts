import { startHubServer, type HubModel, type HubServer } from '@esparse/laws';
import { openFolder, parseLocation, resolveLocation, showLocation } from '../index.ts';

const COMMIT = 'a'.repeat(40);
const LATER = 'b'.repeat(40);
const TOKEN = 'hf_secret';
const LARGE = Uint8Array.from({ length: 200_000 }, (_, i) => i % 251);
const files = {
  'config.json': Buffer.from('{"a":1}'),
  'model.safetensors': LARGE,
  'tokenizer.json': Buffer.from('{}'),
};

let revisions: Record<string, string>;
let hub: HubServer;
let repo = 0;
const models: HubModel[] = [];
const environment = { ...process.env };

beforeEach(async () => {
  repo++;
  revisions = { main: COMMIT, 'refs/pr/1': LATER };
  models.splice(0, models.length);
  models.push(
    { repo: `org/open-${repo}`, revisions, files },
    { repo: `org/private-${repo}`, revisions, files, token: TOKEN },
    { repo: `org/gated-${repo}`, revisions, files, gated: true },
  );
  hub = await startHubServer(models);
  process.env.HF_ENDPOINT = `${hub.url}/`;
  delete process.env.HF_TOKEN;
});
afterEach(async () => {
  process.env = { ...environment };
  await hub.close();
});

/** The bytes of a part of a file. */
async function read(location: string, name: string, offset: number, length: number): Promise<Uint8Array> {
  const file = await (await openFolder(location)).open(name);
  const target = new Uint8Array(length);
  expect(await file!.readInto(offset, target)).toBe(true);
  await file!.close();
  return target;
}

/** What opening a file of a location is refused with. */
async function refusal(location: string): Promise<{ kind: string; message: string; hint: string }> {
  const folder = await openFolder(location);
  return folder.open('config.json').then(
    () => {
      throw new Error('it was not refused');
    },
    (error: unknown) => error as { kind: string; message: string; hint: string },
  );
}

test('a model of the hub is org/name, and a revision behind @; it has one form', () => {
  const at = { scheme: 'hf', name: 'SmolLM2-135M' };
  for (const text of ['hf:org/SmolLM2-135M', 'hf://org/SmolLM2-135M', 'hf:org/SmolLM2-135M@main']) {
    expect(parseLocation(text)).toMatchObject({ ...at, text: 'hf:org/SmolLM2-135M' });
  }
  expect(parseLocation('hf:org/SmolLM2-135M@refs/pr/1')).toMatchObject({
    ...at,
    text: 'hf:org/SmolLM2-135M@refs/pr/1',
  });
  const root = parseLocation('hf:org/a');
  expect(
    ['hf:org/a', 'hf:org/a@v1', 'hf:org/ab', 'hf:other/a'].map((text) => root.contains(parseLocation(text))),
  ).toEqual([...[true, true, false, false]]);
  expect(parseLocation('hf:org/a@v1').contains(parseLocation('hf:org/a@v2'))).toBe(false);
});

test.each([
  ...[
    'hf:',
    'hf:name',
    'hf:org/name/file',
    'hf:org/../name',
    'hf:org/name@',
    'hf:org/name@a b',
    'hf:org/name@../x',
  ],
  ...[
    'hf:org/name?x',
    'hf:org/na me',
    'hf:org/name@a//b',
    'hf:org/-name',
    'HF:org/name',
    'hf:org\\name',
    `hf:org/${'n'.repeat(97)}`,
  ],
])('%s is refused', (text) => {
  expect(() => parseLocation(text)).toThrow(expect.objectContaining({ kind: 'usage' }) as Error);
});

test('files are read by range at one commit, and only what is asked for; the storage of large files never sees the token', async () => {
  process.env.HF_TOKEN = TOKEN;
  const location = `hf:org/private-${repo}`;
  expect(await read(location, 'model.safetensors', 100, 50)).toEqual(LARGE.subarray(100, 150));
  expect(await read(location, 'config.json', 0, 7)).toEqual(Uint8Array.from(files['config.json']));
  const folder = await openFolder(location);
  expect(await folder.open('none.json')).toBeUndefined();
  expect(await folder.open('onnx')).toBeUndefined();
  expect((await folder.open('model.safetensors'))!.size).toBe(LARGE.length);

  const ofFiles = hub.requests.filter(({ path }) => !path.startsWith('/api/'));
  expect(ofFiles.every(({ range }) => range !== undefined)).toBe(true);
  expect(ofFiles.reduce((sum, { sent }) => sum + sent, 0)).toBe(57);
  expect(
    ofFiles.every(({ server, path }) => server === 'storage' || path.includes(`/resolve/${COMMIT}/`)),
  ).toBe(true);
  expect(
    hub.requests.filter(({ server }) => server === 'storage').map(({ authorization }) => authorization),
  ).toEqual([undefined]);
});

test('a revision is a commit from its first use on, for the whole process, however the branch moves', async () => {
  const location = `hf:org/open-${repo}`;
  const folder = await openFolder(location);
  expect(folder.location).toBe(location);
  await folder.open('config.json');
  expect(folder.location).toBe(`${location}@${COMMIT}`);
  revisions.main = LATER;
  expect(await resolveLocation(location)).toBe(`${location}@${COMMIT}`);
  expect(await resolveLocation(`${location}@refs/pr/1`)).toBe(`${location}@${LATER}`);
  // A commit is not asked for.
  const asked = hub.requests.length;
  expect(await resolveLocation(`${location}@${'c'.repeat(40)}`)).toBe(`${location}@${'c'.repeat(40)}`);
  expect(hub.requests).toHaveLength(asked);
});

test('what cannot be read says why and what to do, and no message has the token', async () => {
  const privately = `hf:org/private-${repo}`;
  expect(await refusal(privately)).toMatchObject({
    kind: 'usage',
    hint: expect.stringMatching(/private.*HF_TOKEN/),
  });
  expect(await refusal('hf:org/nowhere')).toMatchObject({ message: expect.stringMatching(/no such model/) });
  expect(await refusal(`hf:org/gated-${repo}`)).toMatchObject({
    kind: 'denied',
    message: expect.stringMatching(/gated/),
    hint: expect.stringMatching(/accept its conditions at http.*HF_TOKEN/),
  });
  expect(await refusal(`hf:org/open-${repo}@v9`)).toMatchObject({
    message: expect.stringMatching(/no branch, tag or commit 'v9'/),
  });
  process.env.HF_TOKEN = 'hf_other';
  const wrong = await refusal(privately);
  expect(wrong.hint).toMatch(/token of HF_TOKEN may read/);
  expect(JSON.stringify([wrong, wrong.message])).not.toContain('hf_other');
  process.env.HF_TOKEN = 'hf_with a space';
  expect(await refusal(privately)).toMatchObject({
    kind: 'usage',
    message: expect.stringMatching(/^HF_TOKEN is not a token/),
  });
  delete process.env.HF_TOKEN;
  process.env.HF_ENDPOINT = 'not an address';
  expect(await refusal(`hf:org/open-${repo}@v1`)).toMatchObject({
    kind: 'usage',
    message: expect.stringMatching(/HF_ENDPOINT/),
  });
  expect(showLocation(privately)).toBe(privately);
});

test('a hub that limits requests is asked again, and in the end its limit is named', async () => {
  hub.limitNext(3);
  expect(await read(`hf:org/open-${repo}`, 'config.json', 0, 7)).toHaveLength(7);
  hub.limitNext(6);
  expect(await refusal(`hf:org/open-${repo}@refs/pr/1`)).toMatchObject({
    kind: 'unavailable',
    hint: expect.stringMatching(/wait.*HF_TOKEN/),
  });
});
