import { EsparseError } from '@esparse/errors';
import type { ByteFolder, ByteSource } from '@esparse/storage';
import { openCheckpointFile, readWhole } from '../checkpoint-file.ts';
import { memorySource } from '../memory-source.ts';
import { SINGLE_FILE } from '../shard-index.ts';
import { bytesOf } from '../views.ts';
import { safetensorsHeader } from '../write-safetensors-header.ts';
import { GRAPH_FILE, MAX_GRAPH_BYTES, takeApart, type GraphFile } from './graph-file.ts';
import { gatherMatrix } from './matrix-place.ts';
import type { Branches } from './view.ts';

/**
 * An ONNX file as the folder of a checkpoint: `config.json` says what can be pruned and in which order, `model.safetensors`
 * has the matrices (rows x cols) as they are pruned, `graph.onnx` the graph without them. So that whatever reads checkpoints
 * reads graphs, too.
 *
 * @throws EsparseError 'checkpoint' or 'unsupported' when a file is opened, naming what is wrong
 */
export function onnxFolder(parent: ByteFolder, name: string, branches: Branches = {}): ByteFolder {
  const location = `${parent.location}/${name}`;
  let taken: Promise<GraphFile> | undefined;
  const graph = (signal?: AbortSignal) => {
    taken ??= readGraph(parent, name, { location, branches, signal });
    // What failed may succeed another time.
    taken.catch(() => (taken = undefined));
    return taken;
  };
  return {
    location,
    async open(wanted, signal) {
      if (wanted === 'config.json')
        return memorySource(Buffer.from(JSON.stringify((await graph(signal)).config)));
      if (wanted === GRAPH_FILE) return memorySource((await graph(signal)).skeleton);
      return wanted === SINGLE_FILE ? matricesOf(await graph(signal)) : undefined;
    },
  };
}

async function readGraph(
  parent: ByteFolder,
  name: string,
  {
    location,
    branches,
    signal,
  }: {
    readonly location: string;
    readonly branches: Branches;
    readonly signal: AbortSignal | undefined;
  },
): Promise<GraphFile> {
  const bytes = await readWhole(parent, name, MAX_GRAPH_BYTES, signal);
  if (bytes === undefined) throw new EsparseError('checkpoint', `there is no file ${location}`);
  const readBeside = async (file: string, offset: number, length: number) => {
    const found = await openCheckpointFile(parent, file, signal);
    if (found === undefined) {
      throw new EsparseError(
        'checkpoint',
        `${location} keeps weights in ${file}, which is missing beside it`,
      );
    }
    try {
      return await found.read(offset, length, signal);
    } finally {
      await found.close();
    }
  };
  return takeApart(bytes, { location, branches, readBeside });
}

/** The safetensors file of the matrices of a graph, made as it is read; one matrix is in memory. */
function matricesOf({ parts, elements }: GraphFile): ByteSource {
  let end = 0;
  const entries = parts.linears.map(({ name, rows, cols, dtype, place }) => {
    const begin = end;
    end += rows * cols * (dtype === 'F32' ? 4 : 2);
    return { name, shape: [rows, cols], rows, cols, dtype, place, begin, end };
  });
  const head = safetensorsHeader(entries, {});
  let made: { readonly entry: (typeof entries)[number]; readonly bytes: Promise<Uint8Array> } | undefined;
  const bytesFor = (entry: (typeof entries)[number]) => {
    if (made?.entry !== entry) {
      const bytes = elements(entry.place.tensor).then((found) =>
        bytesOf(gatherMatrix(found, entry.place, entry)),
      );
      bytes.catch(() => (made = undefined));
      made = { entry, bytes };
    }
    return made.bytes;
  };
  return {
    size: head.length + end,
    async readInto(offset, target) {
      const stop = offset + target.length;
      if (stop > head.length + end) return false;
      if (offset < head.length) target.set(head.subarray(offset, Math.min(stop, head.length)));
      for (const entry of entries) {
        const [first, last] = [head.length + entry.begin, head.length + entry.end];
        if (last <= offset || first >= stop) continue;
        const bytes = await bytesFor(entry);
        const from = Math.max(offset, first);
        target.set(bytes.subarray(from - first, Math.min(stop, last) - first), from - offset);
      }
      return true;
    },
    close: () => Promise.resolve(),
  };
}
