import { Command } from 'commander';
import { prune, startLocalWorkers, type PruneOptions } from '@esparse/pruner';
import { withCancellation } from '../cancel.ts';
import { linesForPeople } from '../log.ts';
import { jsonOption } from '../options/shared.ts';
import { ownScript } from '../own-command.ts';
import { createReporter, type Reporter } from '../prune-progress/reporter.ts';
import { renderReport } from '../prune-progress/report.ts';
import { loadedEncoding } from '../options/encoding.ts';
import { loadedFamily } from '../options/family.ts';
import { layerOptions } from '../options/pattern.ts';
import { configuredPipeline } from '../options/pipeline.ts';
import { ALL_GPUS } from '../options/device.ts';
import { pruneOptions, usualSolver, type PruneFlags } from '../options/prune.ts';
import { uiOptions, type UiFlags } from '../options/ui.ts';

interface Flags extends PruneFlags, UiFlags {
  readonly json: boolean;
}

/** What is not committed is taken back, which takes a few requests to S3. */
const CLEANUP_MS = 10_000;

/** `esparse prune` */
export function pruneCommand(): Command {
  const command = new Command('prune').description(
    'Prunes a checkpoint, or a graph of ONNX, to N:M sparsity into a store, one block at a time.',
  );
  for (const option of pruneOptions()) command.addOption(option);
  for (const option of uiOptions(undefined)) command.addOption(option);
  command.addOption(jsonOption('print one JSON event a line'));
  return command.action((flags: Flags) =>
    withCancellation((signal) => run(flags, signal), { cleanupMs: CLEANUP_MS }),
  );
}

async function run(
  {
    worker = [],
    layer,
    pattern,
    threads,
    device,
    json,
    family: named,
    encoding: ownEncoding,
    ui,
    uiKeyFile,
    ...flags
  }: Flags,
  signal: AbortSignal,
): Promise<void> {
  // For a worker without a name gRPC sends its address as the TLS server name, of which Node warns: no user can mend it.
  if (flags.tlsCa !== undefined) process.noDeprecation = true;
  const found = await loadedFamily({ family: named });
  const encoding = await loadedEncoding({ encoding: ownEncoding });
  const options: PruneOptions = {
    ...flags,
    ...layerOptions({ pattern, layer }),
    pipeline: await configuredPipeline(flags),
    workers: worker,
    solver: usualSolver({ device, solver: flags.solver }),
    family: found && { name: found.family.name, source: found.source },
    encoding,
  };
  const shown = ui === undefined ? undefined : await showRun(options, { ui, uiKeyFile });
  const reporter = await createReporter({ json, stream: process.stdout });
  const print = await workerLines(reporter);
  try {
    const report = await prune(options, {
      signal,
      emit: (event) => {
        reporter.emit(event);
        shown?.emit(event);
      },
      // The worker that prune starts is `esparse worker`.
      startWorker: async (roots, cancelled) => {
        const devices = await devicesOf(device);
        const worker = {
          script: ownScript(),
          threads,
          family: named,
          encoding: ownEncoding,
          roots,
          print,
          signal: cancelled,
        };
        return startLocalWorkers(worker, devices);
      },
    });
    reporter.stop();
    if (!json) process.stdout.write(renderReport(report));
  } catch (error) {
    shown?.failed(error);
    throw error;
  } finally {
    reporter.stop();
    await shown?.close();
  }
}

/** A worker for each. */
async function devicesOf(device: PruneFlags['device']): Promise<readonly (string | undefined)[]> {
  if (device !== ALL_GPUS) return [device];
  const { gpuCount } = await import('@esparse/cuda');
  return Array.from({ length: gpuCount() }, (_, ordinal) => `cuda:${ordinal}`);
}

/** Serves the page of the run. Most runs have none, and load nothing of it. */
async function showRun(options: PruneOptions, { ui, uiKeyFile }: UiFlags & { readonly ui: string }) {
  const { startShowing } = await import('../live/show-run.ts');
  const shown = await startShowing(options, { listen: ui, keyFile: uiKeyFile });
  process.stderr.write(`the run is shown on ${shown.url}\n`);
  return shown;
}

/** Where standard error is the terminal that is redrawn, the worker's lines go above that; elsewhere it writes them itself. */
async function workerLines({ print }: Reporter): Promise<((line: string) => void) | undefined> {
  if (print === undefined || !process.stderr.isTTY) return undefined;
  const readable = await linesForPeople();
  return (line) => {
    print(readable(line));
  };
}
