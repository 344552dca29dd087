import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { esparseJson, esparseJsonWith, esparseWith } from '../support/esparse.ts';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_MODEL } from '../support/repository.ts';
import { shareWorker } from '../support/share-worker.ts';

const at = scratchFolder();
shareWorker(at);
const args = (store: string) => [
  ...['prune', '--model', EXAMPLE_MODEL, '--calibration', EXAMPLE_CALIBRATION, '--store', at(store)],
  ...['--pipeline', 'e-sparse-reconstruct', '--samples', '8', '--seqlen', '64'],
];

test('a run whose Hessians lie in a file gives the same store, byte for byte, and leaves no file behind', async () => {
  await mkdir(at('tmp'));
  await esparseJsonWith({}, ...args('memory'));
  const env = { ...process.env, TMPDIR: at('tmp'), ESPARSE_HESSIAN_MEMORY: '0' };
  await esparseJsonWith({ env }, ...args('file'));
  expect(await contentsOf(at('file'))).toEqual(await contentsOf(at('memory')));
  // ONNX Runtime leaves files of its own.
  expect((await readdir(at('tmp'))).filter((name) => name.startsWith('esparse'))).toEqual([]);
});

test('a bound of memory that is none is refused, and so is a folder where no file can be made', async () => {
  const wrong = { ...process.env, ESPARSE_HESSIAN_MEMORY: 'much' };
  expect(await esparseWith(wrong, ...args('none'))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('ESPARSE_HESSIAN_MEMORY is "much"'),
  });
  const nowhere = { ...process.env, TMPDIR: at('nowhere'), ESPARSE_HESSIAN_MEMORY: '0' };
  expect(await esparseWith(nowhere, ...args('none'))).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('no temporary file can be made'),
  });
});

test('two stages that need the Hessian share it: reconstruct finds nothing to mend in the weights that SparseGPT left', async () => {
  const pipeline = (stages: string) => `
import { definePipeline, reconstruct, sparseGptStage, wanda } from '@esparse/api';
const create = () => ({ metric: wanda(), stages: ${stages} });
export default definePipeline({ name: 'mine', summary: 'stages', create });`;
  await writeFile(at('one.mjs'), pipeline('[sparseGptStage()]'));
  await writeFile(at('two.mjs'), pipeline('[sparseGptStage(), reconstruct({ sweeps: 0 })]'));
  const pruned = async (name: string) => {
    const { run } = await esparseJson(...args(name), '--pipeline', at(`${name}.mjs`));
    return readFile(path.join(at(name), 'runs', String(run), 'blocks/0/q_proj/values/c/0/0/0'));
  };
  expect(await pruned('two')).toEqual(await pruned('one'));
});
