import { mkdir, readdir } from 'node:fs/promises';
import { esparseJsonWith, esparseWith } from '../support/esparse.ts';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_MODEL } from '../support/repository.ts';

jest.setTimeout(120_000);

const at = scratchFolder();
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
