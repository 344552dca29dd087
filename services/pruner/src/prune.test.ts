import { readdir, readlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { EsparseError } from '@esparse/errors';
import { inTemporaryFolder } from '@esparse/laws';
import { pipelineNamed } from '@esparse/pipelines';
import { configurePipeline, parsePattern } from '@esparse/sparsity';
import type { PruneOptions } from './options.ts';
import { prune } from './prune.ts';

const EXAMPLES = path.join(__dirname, '../../../examples');
const MODEL = path.join(EXAMPLES, 'models/llama-2m');

const optionsWith = (store: string): PruneOptions => ({
  ...{ model: MODEL, calibration: path.join(EXAMPLES, 'text/calibration.txt'), store },
  ...{ pipeline: configurePipeline(pipelineNamed('magnitude'), {}), pattern: parsePattern('2:4') },
  ...{ samples: 2, seqlen: 16, seed: 0, bos: false, skipIndivisible: false, workers: [] },
});

/** The files of the model that this process has open, by descriptor, as the system lists them. */
async function openFiles(): Promise<Map<string, string>> {
  const descriptors = await readdir('/proc/self/fd');
  const files = await Promise.all(
    descriptors.map(async (name) => [name, await readlink(`/proc/self/fd/${name}`).catch(() => '')] as const),
  );
  return new Map(files.filter(([, file]) => file.startsWith(MODEL)));
}

const onLinux = process.platform === 'linux' ? test : test.skip;
onLinux('a run that is refused after its model was opened closes every file of it', async () => {
  // Other tests of this process may have left some to the garbage collector.
  const before = await openFiles();
  const opened = async () => [...(await openFiles())].filter(([name]) => !before.has(name));
  await inTemporaryFolder(async (folder) => {
    await writeFile(path.join(folder, 'thesis.tex'), '');
    const refusing = new EsparseError('unavailable', 'no worker today');
    const startWorker = () => Promise.reject(refusing);
    const dependencies = { startWorker, emit: () => undefined };
    await expect(prune(optionsWith(folder), dependencies)).rejects.toMatchObject({
      kind: 'store',
      message: expect.stringContaining('not empty'),
    });
    expect(await opened()).toEqual([]);
    await expect(prune(optionsWith(path.join(folder, 'store')), dependencies)).rejects.toBe(refusing);
    expect(await opened()).toEqual([]);
  });
});
