import type * as onnxruntime from 'onnxruntime-node';

/** What ONNX Runtime's Node binding exports. */
export type Runtime = typeof onnxruntime;

/**
 * Loads ONNX Runtime, at the first use only: whoever needs but the description of a model pays neither the 100 MB nor the
 * tenth of a second.
 */
export async function loadRuntime(): Promise<Runtime> {
  const runtime = await import('onnxruntime-node');
  // What it reports we report as errors: on standard error its lines would stand before ours.
  runtime.env.logLevel = 'fatal';
  return runtime;
}
