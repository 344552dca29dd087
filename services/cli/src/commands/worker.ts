import { once } from 'node:events';
import { Command, Option } from 'commander';
import type { ServerTls } from '@esparse/protocol';
import { DEFAULT_DRAIN_SECONDS, startWorker, type WorkerDevice } from '@esparse/worker';
import { aborted, withCancellation } from '../cancel.ts';
import { createLog } from '../log.ts';
import { encodingLoader } from '../options/encoding.ts';
import { familyLoader } from '../options/family.ts';
import { encodingOption, familyOption, type OwnFlags } from '../options/own.ts';
import { deviceOption } from '../options/device.ts';
import { allowedHostsOption, drainOption, logLevelOption, threadsOption } from '../options/shared.ts';
import { collect, hostPort } from '../options/values.ts';
import { serverTlsOptions } from '../options/tls.ts';

interface Flags extends OwnFlags, ServerTls {
  readonly listen: string;
  readonly threads?: number;
  readonly device: WorkerDevice;
  readonly root?: readonly string[];
  readonly drainSeconds: number;
  readonly metrics?: string;
  readonly allowedHosts?: readonly string[];
  readonly logLevel: string;
}

/** What stopping takes at most beside the draining: what computes has 10 s to end. */
const STOP_MS = 12_000;

/** `esparse worker` */
export function workerCommand(): Command {
  const command = new Command('worker')
    .description('Serves pruners: runs decoder blocks and streams their activations.')
    .addOption(
      new Option('--listen <host:port>', 'address to listen on; port 0 picks a free one')
        .default('127.0.0.1:7070')
        .env('ESPARSE_LISTEN')
        .argParser(hostPort),
    )
    .addOption(threadsOption('threads of the runtime'))
    .addOption(deviceOption('what runs the blocks').default('cpu'))
    .addOption(familyOption())
    .addOption(encodingOption())
    .addOption(
      new Option(
        '--root <dir|s3://…|https://…|hf:…>',
        'serve models and stores under this place only; may be repeated (default: .)',
      )
        .env('ESPARSE_ROOT')
        .argParser((text: string, before: readonly string[] | undefined) => collect(text, before)),
    )
    .addOption(drainOption('calls', DEFAULT_DRAIN_SECONDS))
    .addOption(
      new Option(
        '--metrics <host:port>',
        'address of /metrics, for Prometheus, and /health over HTTP; port 0 picks a free one (default: none)',
      )
        .env('ESPARSE_METRICS')
        .argParser(hostPort),
    )
    .addOption(allowedHostsOption())
    .addOption(logLevelOption());
  for (const option of serverTlsOptions()) command.addOption(option);
  return command.action((flags: Flags) =>
    withCancellation((signal) => run(flags, signal), { cleanupMs: 1000 * flags.drainSeconds + STOP_MS }),
  );
}

/** Before the worker listens, a signal cancels; later it stops the worker, which is a good end. */
async function run(
  {
    listen,
    threads,
    device,
    root = ['.'],
    drainSeconds,
    metrics,
    allowedHosts,
    logLevel,
    family,
    encoding,
    ...tls
  }: Flags,
  signal: AbortSignal,
): Promise<void> {
  // A pruner that started this worker waits for its address, and its end is the worker's end.
  const orphaned =
    process.send !== undefined && !process.connected ? Promise.resolve() : once(process, 'disconnect');
  const log = await createLog('esparse-worker', logLevel);
  const worker = await startWorker({
    listen,
    threads,
    device,
    family: await familyLoader({ family }),
    encoding: await encodingLoader({ encoding }),
    roots: root,
    drainSeconds,
    metrics,
    allowedHosts,
    log,
    ...tls,
  });
  if (signal.aborted) {
    await worker.close();
    throw signal.reason;
  }
  if (process.connected) process.send?.({ address: worker.address });
  const lost = await Promise.race([aborted(signal), orphaned.then(() => undefined), worker.lost]);
  await worker.close();
  if (process.connected) process.disconnect();
  // An orchestrator starts the process again.
  if (lost !== undefined) throw lost;
}
