import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { decodeModel, tensorsOf } from '@esparse/checkpoint';
import { esparse, esparseJson } from '../support/esparse.ts';
import { scratchFolder } from '../support/folders.ts';
import { REPOSITORY } from '../support/repository.ts';
import { floats, npzOf, numbers } from '../support/small-graph.ts';

const at = scratchFolder();

/** A network that nobody here wrote: Silero VAD, of the npm package @ricky0123/vad-web (ISC). It is not installed with the rest, since it brings a runtime for browsers. */
const model =
  process.env.ESPARSE_TEST_SILERO ??
  path.join(REPOSITORY, 'node_modules/@ricky0123/vad-web/dist/silero_vad_v5.onnx');
const isThere = existsSync(model);
if (!isThere) {
  process.emitWarning(
    'no real graph is tested: npm pack @ricky0123/vad-web, and name its dist/silero_vad_v5.onnx in ESPARSE_TEST_SILERO',
  );
}

/** Tones that come and go in noise: frames of 32 ms, each with the end of the one before. */
function frames(count: number): Float32Array {
  const noise = numbers(count * 576, 3, 0.02);
  return noise.map((value, i) => {
    const [frame, time] = [Math.floor(i / 576), i / 16000];
    const loud = Math.max(0, Math.sin(frame / 3));
    return value + 0.3 * loud * Math.sin(2 * Math.PI * (120 + 5 * frame) * time);
  });
}

(isThere ? test : test.skip)(
  'Silero VAD, whose networks are inside a node If, is pruned, exported and near to what it was',
  async () => {
    const count = 64;
    const state = numbers(count * 256, 4, 0.3);
    await writeFile(
      at('speech.npz'),
      npzOf({
        input: floats(frames(count), count, 1, 576),
        state: floats(state, count, 2, 1, 128),
        sr: { type: 7, shape: [], bytes: new Uint8Array(BigInt64Array.of(16000n).buffer) },
      }),
    );
    const data = ['--calibration', at('speech.npz')];
    await esparseJson(
      'prune',
      '--model',
      model,
      ...data,
      '--store',
      at('vad.zarr'),
      '--pipeline',
      'e-sparse-reconstruct',
    );
    await esparseJson('export', '--store', at('vad.zarr'), '--format', 'onnx', '--out', at('vad.onnx'));
    const { models } = await esparseJson(
      'eval',
      '--model',
      model,
      '--compare',
      at('vad.onnx'),
      '--data',
      at('speech.npz'),
    );
    const [, pruned] = models as { first: Record<string, { cosine: number }> }[];
    expect(pruned!.first.stateN!.cosine).toBeGreaterThan(0.98);

    // Seven matrices have zeros; everything else, the other branch too, is byte for byte as it was.
    const [before, after] = await Promise.all(
      [model, at('vad.onnx')].map(async (file) => tensorsOf(decodeModel(await readFile(file), file).graph)),
    );
    const changed = before!.filter(
      ({ message }, i) => !Buffer.from(message.raw_data).equals(Buffer.from(after![i]!.message.raw_data)),
    );
    // The first convolution of the encoder has 129 channels, and stays dense.
    expect(changed.length).toBe(7);
    expect(changed.every(({ value }) => !value.includes('else_branch'))).toBe(true);
    const { stdout } = await esparse('inspect', '--store', at('vad.zarr'));
    expect(stdout).toContain('onnx, 7 steps');
    expect(stdout).toMatch(/encoder\.0\.reparam_conv\.Conv +dense/);
  },
);
