import { EsparseError } from '@esparse/errors';
import type { ObjectStore } from '@esparse/storage';
import { loadBackend } from './backends/registry.ts';
import { createEngine, type Engine } from './engine.ts';
import { openModel } from './open-model.ts';
import { createReplicas } from './replicas.ts';
import type { VerifyMode } from './verify-mode.ts';

/** Which model, on which device, and how much memory and how many threads it may have. */
export interface EngineOptions {
  /** The store of a pruned model: its location (see @esparse/storage), or its objects. This, or `model`. */
  readonly store?: string | ObjectStore | undefined;
  /** The run, or its first letters. @default the current run */
  readonly run?: string | undefined;
  /** A Hugging Face checkpoint, run as it is: its weights in their own types; those of a GGUF file de-quantized. */
  readonly model?: string | undefined;
  /**
   * What computes: a backend's name, or `name:which` where it has several devices; `name:0,1` has the whole model on each of
   * them, see `createReplicas`.
   * @default 'cpu'
   */
  readonly device?: string | undefined;
  /** Threads of a step, the caller's among them. @default all processors */
  readonly threads?: number | undefined;
  /** The longest sequence. @default what the model reaches, at most 4096 */
  readonly maxContext?: number | undefined;
  /**
   * The most tokens of one step: sizes the buffers, which take some 100 bytes for each channel.
   * @default what the backend says: 512; 2048 on a GPU, whose tensor cores fewer do not fill
   */
  readonly maxStepTokens?: number | undefined;
  /**
   * Bound of the key-value cache; the processor takes memory as it is used.
   * @default 1 GiB on the processor, nine tenths of what memory the model leaves on a GPU
   */
  readonly kvBytes?: number | undefined;
  /**
   * A folder on a local disk to copy the weights to, once: useful for a store on a network file system.
   * @default the files of the store or checkpoint itself are mapped; where it has none, `~/.cache/esparse`
   */
  readonly cacheDirectory?: string | undefined;
  /** The most bytes of all runs in it; runs that are not in use make room, the longest unused first. @default 64 GiB */
  readonly cacheBytes?: number | undefined;
  /**
   * When every byte of the run is compared with its checksums: before the engine is given, meanwhile (see
   * `Engine.verified`), or never. Of copies in the cache folder, those that are used are compared, before. A checkpoint has
   * no checksums. @default 'none'
   */
  readonly verify?: VerifyMode | undefined;
  /** Ends the opening, and the comparing. */
  readonly signal?: AbortSignal | undefined;
}

const DEFAULT_DEVICE = 'cpu';
const DEFAULT_STEP_TOKENS = 512;

/**
 * Opens a finished run of a store, or a checkpoint, for generation. On the processor the weights are mapped, not read: a process is ready in
 * the time that its checks take, and all processes that serve the same files share one copy of it in memory.
 *
 * @throws EsparseError 'store' or 'checkpoint' naming what is missing, of another size, damaged or of a newer format;
 * 'usage' for options out of range; 'unsupported' for a model that the
 * engine cannot run
 * @example
 * const engine = await openEngine({ store: 'out/e.zarr' });
 * const sequence = engine.reserve(64)!;
 * const [logits] = await engine.step([{ sequence, tokens: prompt, want: 'lastLogits' }]);
 */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  const { kvBytes, threads, signal } = options;
  const [name, device] = deviceOf(options.device ?? DEFAULT_DEVICE);
  if (device?.includes(',') === true) return openReplicas(options, name, device.split(','));
  const backend = await loadBackend(name);
  const { maxStepTokens = backend.stepTokens ?? DEFAULT_STEP_TOKENS } = options;
  if (!Number.isInteger(maxStepTokens) || maxStepTokens < 1) {
    throw new EsparseError('usage', `steps of ${maxStepTokens} tokens: a whole number above 0 was expected`);
  }
  const opened = await openModel(options);
  try {
    const { arrays, ...about } = opened;
    const { maxContext } = about;
    signal?.throwIfAborted();
    const model = await backend.open(opened, { device, threads, maxContext, maxStepTokens, kvBytes, signal });
    const onClose = () => arrays.close();
    return createEngine(model, { ...about, maxStepTokens, onClose });
  } catch (error) {
    await opened.arrays.close();
    throw error;
  }
}

/** Opens the same model on several devices, one after the other: what the first has read is in memory for the next. */
async function openReplicas(
  options: EngineOptions,
  name: string,
  devices: readonly string[],
): Promise<Engine> {
  if (new Set(devices).size < devices.length) {
    throw new EsparseError('usage', `'${name}:${devices.join()}' names a device twice`);
  }
  const engines: Engine[] = [];
  try {
    for (const device of devices) engines.push(await openEngine({ ...options, device: `${name}:${device}` }));
    return createReplicas(engines);
  } catch (error) {
    await Promise.all(engines.map((engine) => engine.close()));
    throw error;
  }
}

/** The backend's name, and which of its devices. */
function deviceOf(device: string): readonly [name: string, which: string | undefined] {
  const colon = device.indexOf(':');
  return colon < 0 ? [device, undefined] : [device.slice(0, colon), device.slice(colon + 1)];
}
