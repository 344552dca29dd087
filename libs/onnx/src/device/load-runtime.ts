import type * as onnxruntime from 'onnxruntime-node';

/** What ONNX Runtime's Node binding exports. */
export type Runtime = typeof onnxruntime;

/**
 * Loads ONNX Runtime, at the first use only: whoever needs but the description of a model pays neither the 100 MB nor the
 * tenth of a second.
 */
export async function loadRuntime(): Promise<Runtime> {
  return import('onnxruntime-node');
}
