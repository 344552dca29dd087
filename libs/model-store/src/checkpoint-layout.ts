import type { Checkpoint, TensorDtype } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { isPlainName } from '@esparse/storage';
import type { Run, RunWriter } from '@esparse/store';
import { z } from 'zod';

/** The folder of a run, and the object in it, that keep how the checkpoint lay. */
const FOLDER = 'checkpoint';
const OBJECT = 'layout.json';

const schema = z.object({
  /** Files of tensors, in the order in which they were opened. */
  files: z.array(z.string()),
  /** Of each tensor: its type, and which of the files it lay in. In the order of their bytes. */
  tensors: z.record(z.string(), z.tuple([z.enum(['BF16', 'F16', 'F32']), z.number().int().nonnegative()])),
});

/** How the tensors of a checkpoint lay in its files. */
export interface CheckpointLayout {
  readonly files: readonly string[];
  /** By name: the type, and the index of the file. In the order of their bytes within a file. */
  readonly tensors: ReadonlyMap<string, readonly [dtype: TensorDtype, file: number]>;
}

/** Keeps how a checkpoint's tensors lie in its files, so that an export can lie as its input did. */
export async function writeCheckpointLayout(writer: RunWriter, checkpoint: Checkpoint): Promise<void> {
  // The parts of a fused tensor come behind it: it is the first that begins there.
  const stored = [...checkpoint.tensors.values()].sort((a, b) => a.begin - b.begin || b.end - a.end);
  const files = [...new Set(stored.map(({ file }) => file))].sort();
  const tensors = stored.map(({ name, dtype, file }) => [name, [dtype, files.indexOf(file)]] as const);
  const bytes = Buffer.from(JSON.stringify({ files, tensors: Object.fromEntries(tensors) }));
  await writer.putObjects(FOLDER, new Map([[OBJECT, bytes]]));
}

/**
 * The layout of the checkpoint that a run was made from; undefined for runs of versions that did not keep it.
 *
 * @throws EsparseError 'store' where it is damaged, or names anything but plain files
 */
export async function readCheckpointLayout(run: Run): Promise<CheckpointLayout | undefined> {
  const place = `${FOLDER}/${OBJECT}`;
  if (!(await run.objects(FOLDER)).includes(place)) return undefined;
  const parsed = schema.safeParse(parseJson(await run.object(place)));
  const layout = parsed.data;
  const isSound =
    layout !== undefined &&
    layout.files.every((file) => isPlainName(file) && file.endsWith('.safetensors')) &&
    Object.values(layout.tensors).every(([, file]) => file < layout.files.length);
  if (isSound) return { files: layout.files, tensors: new Map(Object.entries(layout.tensors)) };
  throw new EsparseError('store', `run ${run.fingerprint}: ${place} cannot be used`, {
    hint: 'the store may be of a newer esparse, or damaged: try `esparse verify`',
    cause: parsed.error,
  });
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
}
