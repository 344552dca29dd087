import { createHash } from 'node:crypto';
import { Command, InvalidArgumentError, Option } from 'commander';
import { readText } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import { DEVICES, openDevice, type DeviceName } from '@esparse/onnx';
import { enginePerplexity, perplexity, type Perplexity, type PerplexityProgress } from '@esparse/evaluation';
import { cacheOf, cacheOptions, type CacheFlags } from '../options/cache.ts';
import { withCancellation } from '../cancel.ts';
import { openSource, type ModelSource } from '../model-source.ts';
import { familyOption, loadedFamily, type FamilyFlags } from '../options/family.ts';
import { isEngineDevice } from '../options/engine-device.ts';
import { jsonOption, threadsOption } from '../options/shared.ts';
import { sourceOptions, type SourceFlags } from '../options/source.ts';
import { integer } from '../options/values.ts';
import { verifyOption, type VerifyFlags } from '../options/verify.ts';
import { createProgress } from '../progress.ts';
import { withEngine } from '../with-engine.ts';

/** What computes: the engine of `esparse serve`, or ONNX Runtime. */
type Backend = 'native' | 'onnx';

interface Flags extends CacheFlags, FamilyFlags, SourceFlags, VerifyFlags {
  readonly text: string;
  readonly seqlen: number;
  readonly bos: boolean;
  readonly engine?: Backend;
  readonly threads?: number;
  readonly device?: string;
  readonly json: boolean;
}

/** `esparse eval` */
export function evalCommand(): Command {
  const [cacheDirectory, cacheSize] = cacheOptions();
  const command = new Command('eval').description(
    'Measures the perplexity of a pruned model in a store, or of a checkpoint, on a text.',
  );
  for (const option of sourceOptions('dir|s3://…|https://…')) command.addOption(option);
  return command
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
        'what computes: the engine of `esparse serve`, or ONNX Runtime (default: native; onnx for a checkpoint in S3 or on a server, and with --device webgpu)',
      )
        .choices(['native', 'onnx'])
        .env('ESPARSE_ENGINE'),
    )
    .addOption(threadsOption('threads of the runtime'))
    .addOption(familyOption())
    .addOption(verifyOption())
    .addOption(cacheDirectory)
    .addOption(cacheSize)
    .addOption(
      new Option(
        '--device <name>',
        'what computes: cpu, cuda or cuda:N, an NVIDIA GPU by its number; or, with --engine onnx, what runs the blocks ' +
          'in ONNX Runtime: cpu, webgpu or cuda (default: "cpu")',
      )
        .env('ESPARSE_DEVICE')
        .argParser(deviceOfEither),
    )
    .addOption(jsonOption())
    .action((flags: Flags) => withCancellation((signal) => run(flags, signal)));
}

async function run(
  { seqlen, bos, threads, device, json, verify, ...flags }: Flags,
  signal: AbortSignal,
): Promise<void> {
  await loadedFamily(flags);
  const source = await openSource(flags, signal);
  const progress = createProgress(process.stderr);
  try {
    const engine = backendOf(source, flags.engine, device);
    const text = await readText(flags.text, signal);
    const tokens = await source.tokenizer.encode(text, { bos, signal });
    source.tokenizer.close();
    const measure = { native: byEngine, onnx: byOnnx }[engine];
    const result = await measure(source, {
      ...{ tokens, seqlen, threads, device, verify, signal },
      cache: cacheOf(flags),
      onProgress: (done) => {
        progress.show(lineOf(done));
      },
    });
    progress.end();
    const { perplexity: value, seconds, ...counts } = result;
    const report = {
      ...{ perplexity: value, ...counts, seqlen, bos, ...source.identity },
      text: { file: flags.text, sha256: createHash('sha256').update(text).digest('hex') },
      ...{ engine, seconds },
    };
    process.stdout.write(
      json
        ? `${JSON.stringify(report)}\n`
        : `perplexity ${value.toFixed(3)} on ${counts.tokens} tokens of ${flags.text} (${source.name}, ` +
            `${counts.windows} windows of ${seqlen}, ${engine}, ${seconds.toFixed(1)} s)\n`,
    );
  } finally {
    progress.end();
    await source.close();
  }
}

function lineOf({ done, windows, totalWindows }: PerplexityProgress): string {
  return `evaluating: ${Math.floor(100 * done)} %, ${windows} of ${totalWindows} windows`;
}

interface Measurement extends VerifyFlags {
  readonly tokens: Uint32Array;
  readonly seqlen: number;
  readonly threads: number | undefined;
  readonly cache: ReturnType<typeof cacheOf>;
  readonly device: string | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: PerplexityProgress) => void;
}

/** Reads the weights block by block; a store's are compared with their checksums as they are read. */
async function byOnnx(source: ModelSource, measurement: Measurement): Promise<Perplexity> {
  const device = await openDevice(onnxDevice(measurement.device ?? 'cpu'));
  try {
    const { description, weights } = source;
    return await perplexity({ description, weights, ...measurement, device });
  } finally {
    await device.release();
  }
}

function byEngine({ place }: ModelSource, measurement: Measurement): Promise<Perplexity> {
  const { seqlen, threads, device, cache, verify, signal } = measurement;
  return withEngine(
    { ...place, ...cache, maxContext: seqlen, threads, device, verify, signal },
    (engine, stopped) => enginePerplexity({ engine, ...measurement, signal: stopped }),
  );
}

/** What either of the two may compute on. */
function deviceOfEither(text: string): string {
  if (isEngineDevice(text) || isOnnxDevice(text)) return text;
  throw new InvalidArgumentError(`Expected one of ${DEVICES.join(', ')}, or cuda:N.`);
}

function isOnnxDevice(text: string): text is DeviceName {
  return (DEVICES as readonly string[]).includes(text);
}

function onnxDevice(device: string): DeviceName {
  if (isOnnxDevice(device)) return device;
  throw new EsparseError('usage', `ONNX Runtime has no device '${device}'`, {
    hint: `use one of ${DEVICES.join(', ')}`,
  });
}

/** @throws EsparseError 'usage' for a device that the engine does not have */
function backendOf(
  { isLocal }: ModelSource,
  wanted: Backend | undefined,
  device: string | undefined,
): Backend {
  const isOther = device !== undefined && !isEngineDevice(device);
  if (isOther && wanted === 'native') {
    throw new EsparseError('usage', `the native engine does not compute on ${device}`, {
      hint: `use --engine onnx to evaluate on ${device}`,
    });
  }
  return wanted ?? (isOther || !isLocal ? 'onnx' : 'native');
}
