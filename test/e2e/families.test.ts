import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { familyLaws } from '@esparse/testing';
import parallelLlama from '../../examples/plugins/parallel-llama.ts';
import { esparse, esparseJson } from '../support/esparse.ts';
import { scratchFolder } from '../support/folders.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_EVALUATION, EXAMPLE_MODEL, REPOSITORY } from '../support/repository.ts';
import { serve } from '../support/serve.ts';

/** A small config.json of the example's family. */
const SMALL = {
  architectures: ['ParallelLlamaForCausalLM'],
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 40,
};

jest.setTimeout(240_000);

const at = scratchFolder();
const EXAMPLE = path.join(REPOSITORY, 'examples/plugins/parallel-llama.ts');

/** A file beside the model, so that @esparse/api is found by nobody but esparse. */
async function familyFile(name: string, text?: string): Promise<string> {
  await writeFile(at(name), text ?? (await readFile(EXAMPLE, 'utf8')));
  return at(name);
}

/** The example's weights, as a model of the example's family reads them. */
async function parallelModel(): Promise<string> {
  const model = at('model');
  await cp(EXAMPLE_MODEL, model, { recursive: true });
  const file = path.join(model, 'config.json');
  const config = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
  await writeFile(file, JSON.stringify({ ...config, architectures: ['ParallelLlamaForCausalLM'] }));
  return model;
}

const pruning = (model: string, ...args: string[]) => [
  ...['prune', '--model', model, '--calibration', EXAMPLE_CALIBRATION, '--store', at('store')],
  ...['--samples', '2', '--seqlen', '32', ...args],
];

let model: string;
/** A run of the model with the example's family. */
let run: unknown;
beforeAll(async () => {
  await mkdir(at('.'), { recursive: true });
  model = await parallelModel();
  ({ run } = await esparseJson(...pruning(model, '--family', await familyFile('family.ts'))));
});

test('the example’s family keeps the laws: both runtimes make the same logits of it', async () => {
  await familyLaws(parallelLlama, SMALL);
});

test('a model of a family of one’s own is refused without it, and pruned, evaluated and served with it', async () => {
  const refused = await esparse(...pruning(model));
  expect(refused).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--family brings one of your own'),
  });

  const family = ['--family', at('family.ts')];
  expect(await esparseJson('inspect', '--store', at('store'), ...family)).toMatchObject({
    run,
    finished: true,
    model: 'parallel-llama, 4 blocks of 192',
    options: { family: { sha256: expect.stringMatching(/^[0-9a-f]{64}$/) } },
  });

  // Both runtimes read the same description: the same model comes out.
  await writeFile(at('text.txt'), (await readFile(EXAMPLE_EVALUATION, 'utf8')).slice(0, 8000));
  const text = ['--store', at('store'), '--text', at('text.txt'), '--seqlen', '32', ...family];
  const native = await esparseJson('eval', ...text);
  const onnx = await esparseJson('eval', ...text, '--engine', 'onnx');
  expect(Number(native.perplexity) / Number(onnx.perplexity)).toBeCloseTo(1, 4);

  const server = await serve('--store', at('store'), '--model-name', 'mine', ...family);
  try {
    const answer = await fetch(`${server.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'mine', prompt: 'Once', max_tokens: 4, temperature: 0 }),
    });
    const { usage } = (await answer.json()) as { usage: { completion_tokens: number } };
    expect(usage.completion_tokens).toBe(4);
  } finally {
    await server.stop();
  }
});

test('another file of a family is another run, and one that describes another model changes nothing', async () => {
  const text = await readFile(EXAMPLE, 'utf8');
  const runOf = async (of: string, ...args: string[]) => (await esparseJson(...pruning(of, ...args))).run;
  expect(await runOf(model, '--family', await familyFile('other.ts', `${text}// another\n`))).not.toBe(run);
  const plain = await runOf(EXAMPLE_MODEL);
  expect(await runOf(EXAMPLE_MODEL, '--family', await familyFile('unused.ts'))).toBe(plain);
});

/** A family with one part replaced. */
const defined = (part: string) =>
  `import { defineFamily, z } from '@esparse/api';\n` +
  `export default { ...defineFamily({ name: 'mine', architectures: ['MineForCausalLM'], config: z.object({}), describe: () => ({}) }), ${part} };`;

test.each<[message: string, text: string]>([
  ['is not a model family: it has no default export that is an object', 'export default 7;'],
  ['is not a model family: it has no describe()', defined('describe: 7')],
  ['is not a model family: it has no list of architectures', defined('architectures: []')],
  ["there is a model family 'llama' already", defined("name: 'llama'")],
  ["'OPTForCausalLM' is registered already", defined("architectures: ['OPTForCausalLM']")],
  ['does not load: it broke', "throw new Error('it broke');"],
])('refused: %s', async (message, text) => {
  const file = await familyFile('refused.ts', text);
  const { code, stderr } = await esparse('graph', '--model', model, '--family', file);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(message) });
});
