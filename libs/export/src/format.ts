import type { FilePart } from '@esparse/storage';
import type { ExportDtype } from './dtype/dtypes.ts';
import type { TensorOrders } from './graph/fold-graph.ts';
import type { ExportSource, GraphSource } from './source.ts';

/** A file of an export. Its size follows from its parts, so that a full disk is foreseen before anything is written. */
export interface ExportFile {
  /** A plain name. */
  readonly name: string;
  /** Written one after the other; each is in memory alone, so none is larger than a tensor. */
  readonly parts: readonly FilePart[];
}

/**
 * A format that a run can be exported in: it says which files make the run up, and `exportRun` writes them. One file in
 * `formats/`, and its line in `formats/index.ts`.
 */
export interface ExportFormat {
  /** What `--format` calls it. */
  readonly name: string;
  /** One line for people. */
  readonly description: string;
  /**
   * Whether an export is a folder of files, or one file, which is then named by the user. A file beside it has a name that
   * begins with that of the one, which is the last: it gets the user's name with the same ending.
   */
  readonly form: 'folder' | 'file';
  /** Absent in a format that has no weights. */
  readonly weights?: {
    /** The run with its weights, as far as `--dtype` is about them, in another type. */
    readonly inDtype: (source: ExportSource, dtype: ExportDtype) => ExportSource;
    /** @default as they are stored */
    readonly dtype?: ExportDtype;
  };
  /**
   * The files, in the order in which they are written: one without which other programs do not open the rest comes last.
   * Reads manifests and small documents, no weights.
   *
   * @throws EsparseError 'unsupported' where the format cannot hold the model
   */
  files(source: ExportSource, signal?: AbortSignal): Promise<readonly ExportFile[]>;
  /** How graphs of ONNX are written. @default they are refused */
  readonly graphs?: {
    readonly form: ExportFormat['form'];
    /** With the name that the user gives the file, and orders of tensors, where those of inputs are folded. */
    readonly files: (
      source: GraphSource,
      options: { readonly name: string; readonly moved?: TensorOrders | undefined },
    ) => Promise<readonly ExportFile[]>;
  };
}

/** A part that is in memory already. */
export function partOf(bytes: Uint8Array): FilePart {
  return { bytes: bytes.byteLength, read: () => Promise.resolve(bytes) };
}

/** A file of JSON, as people read it. */
export function jsonFile(name: string, value: unknown): ExportFile {
  return { name, parts: [partOf(Buffer.from(`${JSON.stringify(value, null, 2)}\n`))] };
}
