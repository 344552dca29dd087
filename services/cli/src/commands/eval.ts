import { Command, Option } from 'commander';
import { withCancellation } from '../cancel.ts';
import { deviceOfEither, type EvalBackend } from '../eval/backend.ts';
import { measureGraphs, renderGraphs } from '../eval/graphs.ts';
import { flagsOf } from '../eval/place.ts';
import { measure, type MeasureOptions } from '../eval/figures.ts';
import { renderOne, renderSeveral } from '../eval/render.ts';
import { differenceOf, reportOf, type Evaluated } from '../eval/report.ts';
import { readEvalRequest, type EvalRequest, type EvalRequestFlags } from '../eval/request.ts';
import { openSource } from '../model-source.ts';
import { cacheOptions, type CacheFlags } from '../options/cache.ts';
import { encodingOption, familyOption, loadOwn, type OwnFlags } from '../options/own.ts';
import { jsonOption, threadsOption } from '../options/shared.ts';
import { sourceOptions, type SourceFlags } from '../options/source.ts';
import { collect, integer } from '../options/values.ts';
import { verifyOption, type VerifyFlags } from '../options/verify.ts';
import { createProgress } from '../progress.ts';

interface Flags extends CacheFlags, EvalRequestFlags, OwnFlags, SourceFlags, VerifyFlags {
  readonly compare?: readonly string[];
  readonly data?: string;
  readonly engine?: EvalBackend;
  readonly threads?: number;
  readonly device?: string;
  readonly json: boolean;
}

/** `esparse eval` */
export function evalCommand(): Command {
  const [cacheDirectory, cacheSize] = cacheOptions();
  const command = new Command('eval').description(
    'Measures a pruned model in a store, or a checkpoint: the perplexity of a text, and how many multiple-choice questions it ' +
      'answers rightly; or a graph of ONNX on data; and sets several models side by side.',
  );
  for (const option of sourceOptions()) command.addOption(option);
  return command
    .addOption(
      new Option(
        '--compare <places...>',
        'further models, each a store or a checkpoint: all figures side by side, and how each differs from the first model',
      )
        .env('ESPARSE_COMPARE')
        .argParser(collect),
    )
    .addOption(
      new Option(
        '--text <file>',
        'text to predict: plain, or JSONL with a "text" field in a file named .jsonl or .json; at most 256 MiB',
      ).env('ESPARSE_TEXT'),
    )
    .addOption(
      new Option(
        '--tasks <files...>',
        'multiple-choice questions, JSONL: context, choices and answer, or lines of HellaSwag, ARC, PIQA or WinoGrande; scored ' +
          'by log-likelihood, as lm-evaluation-harness does',
      )
        .env('ESPARSE_TASKS')
        .argParser(collect),
    )
    .addOption(
      new Option(
        '--data <file|dir>',
        'of a graph of ONNX: samples as `prune --calibration` takes them; an array `labels` with a class for each row of the first ' +
          'output gives top-1 and top-5, arrays named as outputs what these should be; --compare with a graph that is given first, ' +
          'such as the dense one, tells how near to it the others are',
      )
        .env('ESPARSE_DATA')
        .conflicts(['text', 'tasks']),
    )
    .addOption(
      new Option('--seqlen <n>', 'tokens of a window of the text; each window is scored alone')
        .default(512)
        .env('ESPARSE_SEQLEN')
        .argParser(integer(2, 131_072)),
    )
    .addOption(
      new Option(
        '--windows <n>',
        'only the first so many windows of the text: the standard error says how near that is to all of them (default: all)',
      )
        .env('ESPARSE_WINDOWS')
        .argParser(integer(1, 1_000_000)),
    )
    .addOption(
      new Option('--bos', 'begin the tokenized text, and the context of each question, with the BOS token')
        .default(false)
        .env('ESPARSE_BOS'),
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
    .addOption(encodingOption())
    .addOption(verifyOption())
    .addOption(cacheDirectory)
    .addOption(cacheSize)
    .addOption(
      new Option(
        '--device <name>',
        'what computes: cpu, cuda or cuda:N, an NVIDIA GPU by its number; or, with --engine onnx, what runs the blocks ' +
          'in ONNX Runtime: cpu or webgpu (default: "cpu")',
      )
        .env('ESPARSE_DEVICE')
        .argParser(deviceOfEither),
    )
    .addOption(jsonOption())
    .action((flags: Flags) => withCancellation((signal) => run(flags, signal)));
}

async function run(flags: Flags, signal: AbortSignal): Promise<void> {
  await loadOwn(flags);
  const { compare = [], json, data, threads } = flags;
  if (data !== undefined) {
    const others = await Promise.all(compare.map((place) => flagsOf(place, signal)));
    const report = await measureGraphs([flags, ...others], { data, threads, signal });
    process.stdout.write(json ? `${JSON.stringify(report)}\n` : renderGraphs(report));
    return;
  }
  const request = await readEvalRequest(flags, signal);
  const models: Evaluated[] = [];
  for (const source of [flags, ...(await Promise.all(compare.map((place) => flagsOf(place, signal))))]) {
    models.push(await evaluate(source, request, { ...flags, signal }));
  }
  process.stdout.write(json ? `${JSON.stringify(reportsOf(models, request))}\n` : render(models, request));
}

async function evaluate(
  flags: SourceFlags,
  request: EvalRequest,
  options: Omit<MeasureOptions, 'onProgress'>,
): Promise<Evaluated> {
  const source = await openSource(flags, options.signal);
  const progress = createProgress(process.stderr);
  try {
    const onProgress = (line: string) => {
      progress.show(line);
    };
    const { name, identity } = source;
    return { name, identity, figures: await measure(source, request, { ...options, onProgress }) };
  } finally {
    progress.end();
    await source.close();
  }
}

function reportsOf(models: readonly Evaluated[], request: EvalRequest): object {
  const [first, ...others] = models;
  const report = reportOf(first!, request);
  if (others.length === 0) return report;
  const compared = others.map((other) => ({
    ...reportOf(other, request),
    difference: differenceOf(other, first!),
  }));
  return { models: [report, ...compared] };
}

function render(models: readonly Evaluated[], request: EvalRequest): string {
  return models.length === 1 ? renderOne(models[0]!, request) : renderSeveral(models, request);
}
