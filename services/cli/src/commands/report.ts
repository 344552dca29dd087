import { createRequire } from 'node:module';
import { Command, Option } from 'commander';
import { readUtf8 } from '@esparse/checkpoint';
import { describeModel } from '@esparse/model';
import { readRunAttributes } from '@esparse/model-store';
import { gatherReport, readPoints, readPruneLog, type Report } from '@esparse/report';
import { renderPage, type FrontierPoint } from '@esparse/report-page';
import { nameOfLocation, showLocation } from '@esparse/storage';
import { openStore, type Run } from '@esparse/store';
import { peakResidentBytes } from '@esparse/telemetry';
import { minimatch } from 'minimatch';
import { withCancellation } from '../cancel.ts';
import { flagsOf } from '../eval/place.ts';
import { readEvalRequest } from '../eval/request.ts';
import { cacheOptions, type CacheFlags } from '../options/cache.ts';
import { loadOwn, ownOptions, type OwnFlags } from '../options/own.ts';
import { jsonOption, numeric, runOption, storeOption, threadsOption } from '../options/shared.ts';
import { collect, integer, notEmpty } from '../options/values.ts';
import { createProgress } from '../progress.ts';
import { measurePoint, measureRoofline, type FrontierRequest } from '../report/measure-frontier.ts';
import { replaceFile } from '../report/replace-file.ts';
import { bytes } from '../table.ts';

interface Flags extends CacheFlags, OwnFlags {
  readonly store: string;
  readonly run?: string;
  readonly out: string;
  readonly compare?: readonly string[];
  readonly text?: string;
  readonly seqlen: number;
  readonly speed: boolean;
  readonly points?: string;
  readonly events?: string;
  readonly masks?: readonly string[];
  readonly threads?: number;
  readonly json: boolean;
}

const { version } = createRequire(import.meta.url)('../../package.json') as { readonly version: string };

/** `esparse report` */
export function reportCommand(): Command {
  const command = new Command('report').description(
    'Writes a page that shows a run of a store in pictures: one HTML file, complete in itself, which any browser opens without ' +
      'a network. Weights are not read.',
  );
  for (const option of reportOptions()) command.addOption(option);
  return command.action((flags: Flags) => withCancellation((signal) => run(flags, signal)));
}

function reportOptions(): Option[] {
  return [
    storeOption('store to show'),
    runOption(),
    new Option('--out <file>', 'where to; a file that is there is replaced')
      .default('report.html')
      .env('ESPARSE_OUT')
      .argParser(notEmpty),
    new Option(
      '--compare <places...>',
      'further models, each a store or a checkpoint, beside this run: by size, and by what --text and --speed measure',
    )
      .env('ESPARSE_COMPARE')
      .argParser(collect),
    new Option(
      '--text <file>',
      'text to measure the perplexity of this run and of what it is compared with',
    ).env('ESPARSE_TEXT'),
    numeric(
      '--seqlen <n>',
      'tokens of a window of the text; each window is scored alone',
      512,
      'ESPARSE_SEQLEN',
      integer(2, 131_072),
    ),
    new Option('--speed', 'measure how fast each model decodes here, and what this machine reads from memory')
      .default(false)
      .env('ESPARSE_SPEED'),
    new Option(
      '--points <file>',
      'models that others measured, such as quantized ones: JSON, a list of name, bitsPerWeight, perplexity, tokensPerSecond',
    ).env('ESPARSE_POINTS'),
    new Option(
      '--events <file>',
      'what `esparse prune --json` printed of this run: times, memory and workers are no part of a store',
    ).env('ESPARSE_EVENTS'),
    new Option(
      '--masks <globs...>',
      "linears whose masks are shown whole, by their names blocks.K.LINEAR, such as 'blocks.3.*' (default: all of a small model, some rows of each linear of a large one)",
    )
      .env('ESPARSE_MASKS')
      .argParser(collect),
    threadsOption('threads that compute what --text and --speed measure', 256),
    ...ownOptions(),
    ...cacheOptions(),
    jsonOption(),
  ];
}

async function run(flags: Flags, signal: AbortSignal): Promise<void> {
  const { store: directory, run: named, out, json, masks = [] } = flags;
  await loadOwn(flags);
  const store = await openStore(directory);
  // Before any run has finished there is no current one: the first can still be shown.
  const chosen = named ?? (await store.current()) ?? (await store.runs())[0]?.fingerprint;
  const shown = await store.openRun(chosen);
  const log = flags.events === undefined ? undefined : await readEvents(flags.events, shown, signal);
  const given =
    flags.points === undefined ? [] : readPoints(await readUtf8(flags.points, signal), flags.points);
  const progress = createProgress(process.stderr);
  const started = performance.now();
  try {
    const onProgress = (line: string) => {
      progress.show(line);
    };
    const measured = await measureAll(flags, shown, { signal, onProgress });
    const report = await gatherReport(shown, {
      version,
      store: showLocation(directory),
      wholeMasks: (linear) => masks.some((glob) => minimatch(linear, glob)),
      log,
      frontier: [...measured, ...given],
      roofline: flags.speed ? measureRoofline(describe(shown), flags.threads) : undefined,
      signal,
      onProgress: (blocks, of) => {
        onProgress(`reading: block ${blocks} of ${of}`);
      },
    });
    const size = await replaceFile(out, renderPage(report.data, report.attachment), signal);
    progress.end();
    const seconds = (performance.now() - started) / 1000;
    const what = { out, bytes: size, store: directory, run: shown.fingerprint };
    tell(json, { ...what, seconds, peakResidentBytes: peakResidentBytes() }, report);
  } finally {
    progress.end();
  }
}

async function readEvents(file: string, { fingerprint }: Run, signal: AbortSignal) {
  return readPruneLog(await readUtf8(file, signal), { file, run: fingerprint });
}

function describe(shown: Run) {
  return describeModel(readRunAttributes(shown.attributes).config);
}

/** This run and what it is compared with, as far as something is measured of them. */
async function measureAll(
  flags: Flags,
  shown: Run,
  context: Pick<FrontierRequest, 'signal' | 'onProgress'>,
): Promise<FrontierPoint[]> {
  const { store, compare = [], text, speed, seqlen } = flags;
  if (text === undefined && !speed && compare.length === 0 && flags.points === undefined) return [];
  const request: FrontierRequest = {
    ...flags,
    ...context,
    text:
      text === undefined ? undefined : await readEvalRequest({ text, seqlen, bos: false }, context.signal),
    speed,
  };
  const points = [
    await measurePoint({ store, run: shown.fingerprint }, 'this', nameOfLocation(store), request),
  ];
  for (const place of compare) {
    const source = await flagsOf(place, context.signal);
    const name = nameOfLocation(place) + (source.model === undefined ? '' : ' (dense)');
    points.push(await measurePoint(source, 'compared', name, request));
  }
  return points;
}

interface Written {
  readonly out: string;
  readonly bytes: number;
  readonly store: string;
  readonly run: string;
  readonly seconds: number;
  readonly peakResidentBytes: number;
}

function tell(json: boolean, written: Written, report: Report): void {
  const { damage, data } = report;
  if (json) {
    process.stdout.write(`${JSON.stringify({ ...written, damage, missing: data.missing })}\n`);
    return;
  }
  for (const what of damage) process.stderr.write(`WARNING: left out: ${what}\n`);
  process.stdout.write(
    `${data.summary.join('\n')}\n\n${written.out}: ${bytes(written.bytes)}, to be opened in a browser\n`,
  );
}
