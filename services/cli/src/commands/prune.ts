import { Command, Option } from 'commander';
import type { DeviceName } from '@esparse/onnx';
import type { ClientTls } from '@esparse/protocol';
import { prune, startLocalWorker, type PruneOptions } from '@esparse/pruner';
import { withCancellation } from '../cancel.ts';
import { deviceOption } from '../options/device.ts';
import { jsonOption, required, threadsOption } from '../options/shared.ts';
import { integer, targets } from '../options/values.ts';
import { linesForPeople } from '../log.ts';
import { ownScript } from '../own-command.ts';
import { clientTlsOptions } from '../options/tls.ts';
import { createReporter, type Reporter } from '../prune-progress/reporter.ts';
import { renderReport } from '../prune-progress/report.ts';
import { loadedFamily } from '../options/family.ts';
import { configuredPipeline } from '../options/pipeline.ts';
import { runOptions, type RunFlags } from '../options/run.ts';

interface Flags extends ClientTls, RunFlags {
  readonly model: string;
  readonly calibration: string;
  readonly store: string;
  readonly resume: boolean;
  readonly worker?: readonly string[];
  readonly inFlight?: number;
  readonly threads?: number;
  readonly device?: DeviceName;
  readonly json: boolean;
}

/** What is not committed is taken back, which takes a few requests to S3. */
const CLEANUP_MS = 10_000;

/** `esparse prune` */
export function pruneCommand(): Command {
  const command = new Command('prune')
    .description('Prunes a checkpoint to N:M sparsity into a store, one block at a time.')
    .addOption(
      required('--model <dir|s3://…|https://…>', 'Hugging Face checkpoint to prune', 'ESPARSE_MODEL'),
    )
    .addOption(
      required(
        '--calibration <file>',
        'calibration text: plain, or JSONL with a "text" field in a file named .jsonl or .json; at most 256 MiB',
        'ESPARSE_CALIBRATION',
      ),
    )
    .addOption(
      required('--store <dir|s3://…>', 'store to commit to; created where there is none', 'ESPARSE_STORE'),
    );
  for (const option of runOptions()) command.addOption(option);
  command
    .addOption(
      new Option(
        '--resume',
        'only go on with an earlier attempt: where there is none, say why and do nothing',
      )
        .default(false)
        .env('ESPARSE_RESUME'),
    )
    .addOption(
      new Option(
        '--worker <targets>',
        'workers to use: HOST:PORT, or dns:///NAME:PORT for all behind a name; may be repeated or separated by ' +
          'commas (default: one is started on loopback)',
      )
        .env('ESPARSE_WORKER')
        .argParser((text: string, before: readonly string[] | undefined) => [
          ...(before ?? []),
          ...targets(text),
        ]),
    )
    .addOption(
      new Option(
        '--in-flight <n>',
        'tasks that workers have at once (default: as many as workers are connected)',
      )
        .env('ESPARSE_IN_FLIGHT')
        .argParser(integer(1, 4096)),
    )
    .addOption(threadsOption('threads of the worker that is started'))
    .addOption(
      deviceOption('what runs the blocks, for the worker that is started (default: "cpu")').conflicts(
        'worker',
      ),
    )
    .addOption(jsonOption('print one JSON event a line'));
  for (const option of clientTlsOptions()) command.addOption(option);
  return command.action((flags: Flags) =>
    withCancellation((signal) => run(flags, signal), { cleanupMs: CLEANUP_MS }),
  );
}

async function run(
  { worker = [], layer, threads, device, json, family: named, ...flags }: Flags,
  signal: AbortSignal,
): Promise<void> {
  // For a worker without a name gRPC sends its address as the TLS server name, of which Node warns: no user can mend it.
  if (flags.tlsCa !== undefined) process.noDeprecation = true;
  const found = await loadedFamily({ family: named });
  const options: PruneOptions = {
    ...flags,
    layers: layer,
    pipeline: await configuredPipeline(flags),
    workers: worker,
    family: found && { name: found.family.name, source: found.source },
  };
  const reporter = createReporter({ json, stream: process.stdout });
  const print = await workerLines(reporter);
  try {
    const report = await prune(options, {
      signal,
      emit: reporter.emit,
      // The worker that prune starts is `esparse worker`.
      startWorker: (roots, cancelled) =>
        startLocalWorker({
          script: ownScript(),
          threads,
          device,
          family: named,
          roots,
          print,
          signal: cancelled,
        }),
    });
    reporter.stop();
    if (!json) process.stdout.write(renderReport(report));
  } finally {
    reporter.stop();
  }
}

/** Where standard error is the terminal that is redrawn, the worker's lines go above that; elsewhere it writes them itself. */
async function workerLines({ print }: Reporter): Promise<((line: string) => void) | undefined> {
  if (print === undefined || !process.stderr.isTTY) return undefined;
  const readable = await linesForPeople();
  return (line) => {
    print(readable(line));
  };
}
