import { Command, Option } from 'commander';
import { readText } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { openEngine } from '@esparse/engine';
import { openDevice, type DeviceName } from '@esparse/onnx';
import { enginePerplexity, perplexity, type Perplexity } from '@esparse/evaluation';
import { cacheOf, cacheOptions, type CacheFlags } from '../options/cache.ts';
import { withCancellation } from '../cancel.ts';
import { checkpointSource, storeSource, type ModelSource } from '../model-source.ts';
import { familyOption, loadedFamily, type FamilyFlags } from '../options/family.ts';
import { deviceOption } from '../options/device.ts';
import { jsonOption, runOption, threadsOption } from '../options/shared.ts';
import { integer } from '../options/values.ts';

/** What computes: the engine that serves stores, or ONNX Runtime. */
type Backend = 'native' | 'onnx';

interface Flags extends CacheFlags, FamilyFlags {
  readonly model?: string;
  readonly store?: string;
  readonly run?: string;
  readonly text: string;
  readonly seqlen: number;
  readonly bos: boolean;
  readonly engine?: Backend;
  readonly threads?: number;
  readonly device?: DeviceName;
  readonly json: boolean;
}

/** `esparse eval` */
export function evalCommand(): Command {
  const [cacheDirectory, cacheSize] = cacheOptions();
  return new Command('eval')
    .description('Measures the perplexity of a checkpoint, or of a pruned model in a store, on a text.')
    .addOption(
      new Option('--model <dir|s3://…|https://…>', 'Hugging Face checkpoint')
        .env('ESPARSE_MODEL')
        .conflicts('store'),
    )
    .addOption(new Option('--store <dir|s3://…>', 'store of a pruned model').env('ESPARSE_STORE'))
    .addOption(runOption())
    .addOption(
      new Option(
        '--text <file>',
        'text to predict: plain, or JSONL with a "text" field in a file named .jsonl or .json; at most 256 MiB',
      )
        .env('ESPARSE_TEXT')
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--seqlen <n>', 'tokens of a window; each window is scored alone')
        .default(512)
        .env('ESPARSE_SEQLEN')
        .argParser(integer(2, 131_072)),
    )
    .addOption(
      new Option('--bos', 'begin the tokenized text with the BOS token').default(false).env('ESPARSE_BOS'),
    )
    .addOption(
      new Option(
        '--engine <name>',
        'what computes: the kernels of `esparse serve`, straight from a store (its default: as exact, and without dense copies), or ONNX Runtime',
      )
        .choices(['native', 'onnx'])
        .env('ESPARSE_ENGINE'),
    )
    .addOption(threadsOption('threads of the runtime'))
    .addOption(familyOption())
    .addOption(cacheDirectory)
    .addOption(cacheSize)
    .addOption(
      deviceOption('what runs the blocks, in ONNX Runtime only; the head stays on the CPU (default: "cpu")'),
    )
    .addOption(jsonOption())
    .action((flags: Flags) => withCancellation((signal) => run(flags, signal)));
}

async function run(
  { text, seqlen, bos, threads, device, json, engine, ...flags }: Flags,
  signal: AbortSignal,
): Promise<void> {
  await loadedFamily(flags);
  const source = await openSource(flags);
  try {
    const backend = backendOf(source, engine, device);
    const tokens = await source.tokenizer.encode(await readText(text), { bos });
    const measure = { native: byEngine, onnx: byOnnx }[backend];
    const cache = cacheOf(flags);
    const result = await measure(source, { tokens, seqlen, threads, device, cache, signal });
    process.stdout.write(
      json
        ? `${JSON.stringify({ perplexity: result.perplexity, tokens: result.tokens, windows: result.windows, seqlen, engine: backend, seconds: result.seconds })}\n`
        : `perplexity ${result.perplexity.toFixed(3)} on ${result.tokens} tokens of ${text} (${source.name}, ` +
            `${result.windows} windows of ${seqlen}, ${backend}, ${result.seconds.toFixed(1)} s)\n`,
    );
  } finally {
    await source.close();
  }
}

interface Measurement {
  readonly tokens: Uint32Array;
  readonly seqlen: number;
  readonly threads: number | undefined;
  readonly cache: ReturnType<typeof cacheOf>;
  readonly device: DeviceName | undefined;
  readonly signal: AbortSignal;
}

async function byOnnx(source: ModelSource, measurement: Measurement): Promise<Perplexity> {
  const device = await openDevice(measurement.device ?? 'cpu');
  try {
    const { description, weights } = source;
    return await perplexity({ description, weights, ...measurement, device });
  } finally {
    await device.release();
  }
}

async function byEngine({ stored }: ModelSource, measurement: Measurement): Promise<Perplexity> {
  const { seqlen, threads, cache } = measurement;
  const engine = await openEngine({ ...stored!, ...cache, maxContext: seqlen, threads });
  try {
    return await enginePerplexity({ engine, ...measurement });
  } finally {
    await engine.close();
  }
}

/** @throws EsparseError 'usage' for a checkpoint, or a device, on the engine */
function backendOf(
  { stored, name }: ModelSource,
  wanted: Backend | undefined,
  device: DeviceName | undefined,
): Backend {
  if (device !== undefined && device !== 'cpu' && wanted !== 'onnx' && stored !== undefined) {
    throw new EsparseError('usage', 'the native engine computes on the processor', {
      hint: `add --engine onnx to evaluate on ${device}`,
    });
  }
  if (wanted === 'native' && stored === undefined) {
    throw new EsparseError('usage', `${name} is a checkpoint: the native engine runs stores`, {
      hint: 'use --engine onnx, or prune it into a store first',
    });
  }
  return wanted ?? (stored === undefined ? 'onnx' : 'native');
}

function openSource({ model, store, run }: Pick<Flags, 'model' | 'store' | 'run'>): Promise<ModelSource> {
  if (model !== undefined) return checkpointSource(model);
  if (store !== undefined) return storeSource(store, run);
  throw new EsparseError('usage', 'nothing to evaluate', { hint: 'give --model or --store' });
}
