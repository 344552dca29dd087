import { bytesOf, tensorBytes } from '@esparse/checkpoint';
import { identityOrder } from '@esparse/sparsity';
import { tensorsOf, type NamedTensor } from '../checkpoint-tensors.ts';
import type { ExportFormat } from '../format.ts';
import { laidOut } from '../laid-out.ts';
import type { ExportSource } from '../source.ts';
import { tensorFile, type ListedTensor } from '../tensor-file.ts';

/** Which weights are kept, and the orders of channels in which groups are consecutive, by the checkpoint's names. */
export const masks: ExportFormat = {
  name: 'masks',
  description: 'boolean masks and permutations by the names of the checkpoint, to fine-tune with',
  form: 'folder',
  async files(source) {
    const pruned = await prunedTensors(source);
    return [
      tensorFile(
        'permutations.safetensors',
        pruned.map((tensor) => permutationsOf(source, tensor)),
      ),
      tensorFile(
        'masks.safetensors',
        pruned.map((tensor) => maskOf(source, tensor)),
      ),
    ];
  },
};

/** The tensors of the checkpoint of which something was pruned. */
async function prunedTensors({ description, tensors }: ExportSource): Promise<NamedTensor[]> {
  const pruned: NamedTensor[] = [];
  for (const tensor of tensorsOf(description)) {
    const orders = await Promise.all(tensor.parts.map(({ name }) => tensors.order(name)));
    if (orders.some((order) => order !== undefined)) pruned.push(tensor);
  }
  return pruned;
}

/** True where a weight is kept, in the shape of the weights. Of a part that was left dense, all are. */
function maskOf({ tensors }: ExportSource, tensor: NamedTensor): ListedTensor {
  const { name, shape } = tensor;
  const parts = tensor.parts.map((part) => {
    const bytes = tensorBytes({ ...part, dtype: 'BOOL' });
    return {
      bytes,
      read: async (signal?: AbortSignal) =>
        (await tensors.mask(part.name, signal)) ?? new Uint8Array(bytes).fill(1),
    };
  });
  return { name, shape, dtype: 'BOOL', parts: laidOut(tensor, parts) };
}

/** (cols) the original channel at each position; (parts, cols) of a fused tensor. */
function permutationsOf({ tensors }: ExportSource, { name, parts }: NamedTensor): ListedTensor {
  const cols = parts[0]!.shape[1]!;
  return {
    ...{ name, shape: parts.length === 1 ? [cols] : [parts.length, cols], dtype: 'I32' },
    parts: parts.map((part) => ({
      bytes: cols * 4,
      read: async (signal) => {
        const order = await tensors.order(part.name, signal);
        return bytesOf(order?.permutation ?? identityOrder(cols));
      },
    })),
  };
}
