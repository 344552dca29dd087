import { INDEX_FILE, shardName, SINGLE_FILE, tensorBytes } from '@esparse/checkpoint';
import { allIn, configNaming } from '../dtype/in-dtype.ts';
import { checkpointTensors, type CheckpointTensor } from '../checkpoint-tensors.ts';
import { jsonFile, partOf, type ExportFile, type ExportFormat } from '../format.ts';
import { tensorFile } from '../tensor-file.ts';
import type { ExportSource } from '../source.ts';

/** Bytes of a file where it is not known how the checkpoint lay: as the Hugging Face library writes them. */
const SHARD_BYTES = 5e9;

/** A Hugging Face checkpoint with zeros where weights were pruned, in the files that the input had. */
export const safetensors: ExportFormat = {
  name: 'safetensors',
  description: 'Hugging Face checkpoint with zeros, in the files that the input had',
  form: 'folder',
  weights: { inDtype: allIn },
  async files(source) {
    const tensors = await checkpointTensors(source);
    const shards = shardsOf(tensors, source.layout);
    const weights = [...shards].map(([name, tensors]) => tensorFile(name, tensors));
    const isSingle = shards.size === 1 && shards.has(SINGLE_FILE);
    return [
      ...weights,
      ...(isSingle ? [] : [indexFile(shards)]),
      ...source.tokenizerFiles.map(({ name, bytes }) => ({ name, parts: [partOf(bytes)] })),
      // Last: without it the folder is no checkpoint.
      jsonFile(
        'config.json',
        isWidened(tensors, source) ? configNaming(source.config, 'f32') : source.config,
      ),
    ];
  },
};

/**
 * Whether a matrix is an f32 that was none in the checkpoint: one that is stored as integers. Who reads the checkpoint in
 * the type that config.json names would round it.
 */
function isWidened(tensors: readonly CheckpointTensor[], { layout }: ExportSource): boolean {
  return tensors.some(
    ({ name, shape, dtype }) =>
      dtype === 'F32' && shape.length > 1 && layout?.tensors.get(name)?.[0] !== 'F32',
  );
}

type Shards = ReadonlyMap<string, readonly CheckpointTensor[]>;

/** Which tensors lie in which file. */
function shardsOf(tensors: readonly CheckpointTensor[], layout: ExportSource['layout']): Shards {
  const isKnown = layout !== undefined && tensors.every(({ name }) => layout.tensors.has(name));
  return isKnown ? shardsAsBefore(tensors, layout) : shardsBySize(tensors);
}

function shardsAsBefore(
  tensors: readonly CheckpointTensor[],
  { files, tensors: known }: NonNullable<ExportSource['layout']>,
): Shards {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const shards = new Map<string, CheckpointTensor[]>(files.map((file) => [file, []]));
  for (const [name, [, file]] of known) {
    const tensor = byName.get(name);
    if (tensor !== undefined) shards.get(files[file]!)!.push(tensor);
  }
  return new Map([...shards].filter(([, held]) => held.length > 0));
}

function shardsBySize(tensors: readonly CheckpointTensor[]): Shards {
  const groups: CheckpointTensor[][] = [[]];
  let bytes = 0;
  for (const tensor of tensors) {
    const size = tensorBytes(tensor);
    if (bytes > 0 && bytes + size > SHARD_BYTES) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)!.push(tensor);
    bytes += size;
  }
  if (groups.length === 1) return new Map([[SINGLE_FILE, tensors]]);
  return new Map(groups.map((group, i) => [shardName(i + 1, groups.length), group]));
}

function indexFile(shards: Shards): ExportFile {
  const all = [...shards.values()].flat();
  const total = all.reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
  const places = [...shards].flatMap(([file, tensors]) => tensors.map(({ name }) => [name, file] as const));
  return jsonFile(INDEX_FILE, {
    metadata: { total_size: total },
    weight_map: Object.fromEntries(places),
  });
}
