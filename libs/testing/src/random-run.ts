import { uniform } from '@esparse/laws';
import { describeModel, tensorsOfBlock, type TensorSpec } from '@esparse/model';
import { densePath, type RunAttributes } from '@esparse/model-store';
import { createOrOpenStore, type Transaction } from '@esparse/store';

/** Writes a store of a model with random weights, all of them dense, as one finished run. */
export async function writeRandomRun(
  store: string,
  config: Readonly<Record<string, unknown>>,
  seed: number,
): Promise<void> {
  const description = describeModel(config);
  const random = uniform(seed);
  const put = (transaction: Transaction, at: string, { name, shape }: TensorSpec) =>
    transaction.putArray(at, {
      data: randomTensor(shape, random),
      shape,
      attributes: { dtype: 'f32', tensor: name },
    });
  const attributes: RunAttributes = {
    config,
    family: description.family,
    blocks: description.blocks,
    model: 'random',
    tokens: 'none',
    numerics: 'none',
    options: {
      pipeline: { name: 'none', version: 1, options: {} },
      pattern: { keep: 1, group: 1 },
      calibration: { samples: 0, seqlen: 0, seed: 0, bos: false },
      skipIndivisible: false,
    },
  };
  const writer = await (await createOrOpenStore(store)).beginRun('0'.repeat(32), { ...attributes });
  try {
    const outer = writer.beginDense();
    for (const tensor of description.outerTensors) await put(outer, tensor.name, tensor);
    await outer.commit({});
    for (let block = 0; block < description.blocks; block++) {
      const transaction = writer.beginBlock(block);
      for (const tensor of tensorsOfBlock(description, block)) {
        await put(transaction, densePath(tensor.name), tensor);
      }
      await transaction.commit({});
    }
    await writer.finish({ blocks: description.blocks });
  } finally {
    await writer.close();
  }
}

/** Matrices keep the scale of what they are multiplied with; vectors, norms among them, are around 1. */
function randomTensor(shape: readonly number[], random: () => number): Float32Array {
  const length = shape.reduce((product, size) => product * size, 1);
  const [mean, spread] = shape.length === 1 ? [1, 0.2] : [0, 3 / Math.sqrt(shape[1]!)];
  return Float32Array.from({ length }, () => mean + spread * (random() + random() - 1));
}
