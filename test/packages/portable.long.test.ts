import { execFile } from 'node:child_process';
import { mkdir, symlink } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { packPortable } from '../../scripts/pack/portable.ts';
import { scratchFolder } from '../support/folders.ts';
import { REPOSITORY } from '../support/repository.ts';

const run = promisify(execFile);
const scratch = scratchFolder();

test('the archive prunes and evaluates where there is no Node, and nothing on the path but what finds a file', async () => {
  packPortable(REPOSITORY, scratch('esparse.tar'), false);
  await mkdir(scratch('bin'));
  for (const tool of ['dirname', 'readlink']) await symlink(`/usr/bin/${tool}`, scratch('bin', tool));
  await run('tar', ['-C', scratch(), '-xf', scratch('esparse.tar')]);
  await mkdir(scratch('empty'));
  const esparse = async (...args: string[]) => {
    const place = { cwd: scratch('empty'), env: { HOME: scratch('empty'), PATH: scratch('bin') } };
    return (await run(scratch('esparse/esparse'), args, place)).stdout;
  };
  const examples = scratch('esparse/examples');
  await esparse(
    ...['prune', '--model', path.join(examples, 'models/llama-2m'), '--store', 'out.zarr'],
    ...['--calibration', path.join(examples, 'text/calibration.txt'), '--samples', '4', '--seqlen', '32'],
  );
  const text = path.join(examples, 'text/calibration.txt');
  const shown = await esparse('eval', '--store', 'out.zarr', '--text', text, '--windows', '2', '--json');
  expect((JSON.parse(shown) as { perplexity: number }).perplexity).toBeGreaterThan(1);
});
