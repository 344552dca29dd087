import { openCheckpoint, writeCheckpoint, type TensorToWrite } from '@esparse/checkpoint';

/** The same checkpoint in two files with an index. */
export async function inShards(from: string, to: string): Promise<string> {
  const checkpoint = await openCheckpoint(from);
  const tensors = [...checkpoint.tensors].map(([name, { dtype, shape }]): TensorToWrite => ({
    name,
    dtype,
    shape,
    data: () => checkpoint.read(name),
  }));
  await writeCheckpoint(to, checkpoint.config, tensors, { shards: 2 });
  await checkpoint.close();
  return to;
}
