import { EsparseError } from '@esparse/errors';
import type { Run, RunWriter } from '@esparse/store';

/** The folder of a run, and the object in it, that keep the graph without its matrices. */
const FOLDER = 'graph';
const OBJECT = 'graph.onnx';

/** Keeps a graph of ONNX without its matrices, which are in the blocks: with them it can be written again. */
export async function writeGraph(writer: RunWriter, graph: Uint8Array): Promise<void> {
  await writer.putObjects(FOLDER, new Map([[OBJECT, graph]]));
}

/** @throws EsparseError 'store' where the run has none, or it is damaged */
export async function readGraph(run: Run): Promise<Uint8Array> {
  const place = `${FOLDER}/${OBJECT}`;
  if ((await run.objects(FOLDER)).includes(place)) return run.object(place);
  throw new EsparseError('store', `run ${run.fingerprint} keeps no graph`, {
    hint: 'the store is damaged: restore it from a copy, or prune again into another one',
  });
}
