import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { startHubServer, type HubServer } from '@esparse/laws';
import { esparseJson, esparseJsonWith, esparseProcess } from '../support/esparse.ts';
import { scratchFolder } from '../support/folders.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_EVALUATION, EXAMPLE_MODEL } from '../support/repository.ts';

const COMMIT = '0123456789'.repeat(4);
const TOKEN = 'hf_secretsecret';
const at = scratchFolder();
let hub: HubServer;
const env = () => ({ ...process.env, HF_ENDPOINT: hub.url, HF_TOKEN: TOKEN });

beforeAll(async () => {
  const names = await readdir(EXAMPLE_MODEL);
  const files = await Promise.all(
    names.map(async (name) => [name, await readFile(path.join(EXAMPLE_MODEL, name))] as const),
  );
  hub = await startHubServer([
    { repo: 'org/llama-2m', revisions: { main: COMMIT }, files: Object.fromEntries(files), token: TOKEN },
  ]);
  await writeFile(at('text.txt'), (await readFile(EXAMPLE_EVALUATION, 'utf8')).slice(0, 4000));
});
afterAll(() => hub.close());

test('a model of the hub is pruned and evaluated as the same files in a folder are, named by its commit, without a download', async () => {
  const pruning = (model: string, store: string) => [
    ...['prune', '--model', model, '--calibration', EXAMPLE_CALIBRATION, '--store', at(store)],
    ...['--samples', '2', '--seqlen', '32', '--pipeline', 'magnitude'],
  ];
  const { run } = await esparseJsonWith({ env: env() }, ...pruning('hf:org/llama-2m', 'of-hub'));
  expect(await esparseJson(...pruning(EXAMPLE_MODEL, 'of-folder'))).toMatchObject({ run });

  const measuring = ['--text', at('text.txt'), '--seqlen', '64'];
  const found = await esparseJsonWith({ env: env() }, 'eval', '--model', 'hf:org/llama-2m', ...measuring);
  const local = await esparseJson('eval', '--model', EXAMPLE_MODEL, '--engine', 'onnx', ...measuring);
  expect(found).toMatchObject({
    model: `hf:org/llama-2m@${COMMIT}`,
    checkpoint: local.checkpoint,
    perplexity: local.perplexity,
  });
  // Every read of a file was one of a range, at that commit, and the storage of large files has not seen the token.
  const reads = hub.requests.filter(({ path: asked }) => !asked.startsWith('/api/'));
  expect(reads.length).toBeGreaterThan(0);
  for (const { server, path: asked, range, authorization } of reads) {
    expect(range).toBeDefined();
    if (server === 'storage') expect(authorization).toBeUndefined();
    else expect(asked).toContain(`/resolve/${COMMIT}/`);
  }
});

test('a model that may not be read ends a command with 2, and says what to do without the token', async () => {
  const env = { ...process.env, HF_ENDPOINT: hub.url, HF_TOKEN: 'hf_anothersecret' };
  const { code, stdout, stderr } = await esparseProcess(
    { env },
    ...['eval', '--model', 'hf:org/llama-2m@v2', '--text', at('text.txt')],
  );
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: expect.stringMatching(/no such model[^]*HF_TOKEN may read/),
  });
  expect(stdout + stderr).not.toContain('anothersecret');
});
