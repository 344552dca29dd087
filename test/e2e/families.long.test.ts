import { readFile, writeFile } from 'node:fs/promises';
import { esparse, esparseJson } from '../support/esparse.ts';
import { scratchFolder } from '../support/folders.ts';
import { PARALLEL_FAMILY, writeParallelModel } from '../support/parallel-model.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_MODEL } from '../support/repository.ts';

const at = scratchFolder();
beforeAll(() => writeParallelModel(at('model')));

/** A file beside the model, so that @esparse/api is found by nobody but esparse. */
async function familyFile(name: string, text?: string): Promise<string> {
  await writeFile(at(name), text ?? (await readFile(PARALLEL_FAMILY, 'utf8')));
  return at(name);
}

const pruning = (model: string, ...args: string[]) => [
  ...['prune', '--model', model, '--calibration', EXAMPLE_CALIBRATION, '--store', at('store')],
  ...['--samples', '2', '--seqlen', '32', ...args],
];

test('another file of a family is another run, and one that describes another model changes nothing', async () => {
  const text = await readFile(PARALLEL_FAMILY, 'utf8');
  const runOf = async (of: string, ...args: string[]) => (await esparseJson(...pruning(of, ...args))).run;
  expect(await runOf(at('model'), '--family', await familyFile('other.ts', `${text}// another\n`))).not.toBe(
    await runOf(at('model'), '--family', await familyFile('family.ts')),
  );
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
  const { code, stderr } = await esparse('graph', '--model', at('model'), '--family', file);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(message) });
});
