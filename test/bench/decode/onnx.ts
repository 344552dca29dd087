import { openEngine } from '@esparse/engine';
import { describeModel } from '@esparse/model';
import { createBlockRunner, type LoadedBlock } from '@esparse/onnx';
import { readRunAttributes, storeWeights } from '@esparse/model-store';
import { openStore } from '@esparse/store';
import { heading, median, print } from '../table.ts';

const ROUNDS = 5;

/**
 * The engine against ONNX Runtime on the same pruned weights, which it knows as dense f32 only. ONNX Runtime is
 * spared the head and the attention to earlier tokens; the engine has both.
 */
export async function benchOnnx(store: string, threads: number): Promise<void> {
  heading('decoding, ONNX Runtime f32');
  const run = await (await openStore(store)).openRun();
  const description = describeModel(readRunAttributes(run.attributes).config);
  const runner = await createBlockRunner(description, { seqlen: 1, threads });
  const weights = storeWeights(run, description);
  const blocks: LoadedBlock[] = [];
  for (let block = 0; block < description.blocks; block++) blocks.push(await runner.load(block, weights));
  const engine = await openEngine({ store, threads });
  const sequence = engine.reserve(ROUNDS + 1)!;
  const [onnx, native]: [number[], number[]] = [[], []];
  for (let round = 0; round <= ROUNDS; round++) {
    const started = performance.now();
    let hidden: Float32Array = new Float32Array(description.hidden).fill(0.1);
    for (const block of blocks) hidden = await block.advance(hidden);
    const between = performance.now();
    await engine.step([{ sequence, tokens: Uint32Array.of(7), want: 'lastLogits' }]);
    if (round === 0) continue;
    onnx.push((between - started) / 1000);
    native.push((performance.now() - between) / 1000);
  }
  await engine.close();
  await runner.release();
  const ratio = median(onnx) / median(native);
  const bytes =
    description.linears.reduce((sum, { rows, cols }) => sum + rows * cols * 4, 0) * description.blocks;
  print({
    name: 'ONNX Runtime, the blocks alone',
    measured: `${(1 / median(onnx)).toFixed(2)} tokens/s`,
    target: `${(bytes / median(onnx) / 1e9).toFixed(1)} GB/s of f32`,
  });
  print({
    name: 'the engine against it',
    measured: `${ratio.toFixed(2)} x`,
    target: '>= 5 x',
    met: ratio >= 5,
  });
}
