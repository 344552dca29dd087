import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { familyLaws } from '@esparse/testing';
import parallelLlama from '../../examples/plugins/parallel-llama.ts';
import { esparse, esparseJson } from '../support/esparse.ts';
import { scratchFolder } from '../support/folders.ts';
import { PARALLEL_FAMILY, writeParallelModel } from '../support/parallel-model.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_EVALUATION } from '../support/repository.ts';
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

const at = scratchFolder();
// Beside the model, so that @esparse/api is found by nobody but esparse.
const family = () => ['--family', at('family.ts')];
const pruning = () => [
  ...['prune', '--model', at('model'), '--calibration', EXAMPLE_CALIBRATION, '--store', at('store')],
  ...['--samples', '2', '--seqlen', '32'],
];
beforeAll(async () => {
  await writeParallelModel(at('model'));
  await copyFile(PARALLEL_FAMILY, at('family.ts'));
});

test('the example’s family keeps the laws: both runtimes make the same logits of it', async () => {
  await familyLaws(parallelLlama, SMALL);
});

test('a model of a family of one’s own is refused without it, and pruned, evaluated and served with it', async () => {
  const refused = await esparse(...pruning());
  expect(refused).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--family brings one of your own'),
  });

  const { run } = await esparseJson(...pruning(), ...family());
  expect(await esparseJson('inspect', '--store', at('store'), ...family())).toMatchObject({
    run,
    finished: true,
    model: 'parallel-llama, 4 blocks of 192',
    options: { family: { sha256: expect.stringMatching(/^[0-9a-f]{64}$/) } },
  });

  // Both runtimes read the same description: the same model comes out.
  await writeFile(at('text.txt'), (await readFile(EXAMPLE_EVALUATION, 'utf8')).slice(0, 8000));
  const text = ['--store', at('store'), '--text', at('text.txt'), '--seqlen', '32', ...family()];
  const native = await esparseJson('eval', ...text);
  const onnx = await esparseJson('eval', ...text, '--engine', 'onnx');
  expect(Number(native.perplexity) / Number(onnx.perplexity)).toBeCloseTo(1, 4);

  const server = await serve('--store', at('store'), '--model-name', 'mine', ...family());
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
