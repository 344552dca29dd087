import { Command, Option } from 'commander';
import type { DeviceName } from '@esparse/onnx';
import type { ServerTls } from '@esparse/protocol';
import { DEFAULT_DRAIN_SECONDS, startWorker } from '@esparse/worker';
import { pino, destination } from 'pino';
import { collect, deviceOption, hostPort, integer } from '../option-types.ts';
import { serverTlsOptions } from '../tls-options.ts';

interface Flags extends ServerTls {
  readonly listen: string;
  readonly threads?: number;
  readonly device: DeviceName;
  readonly root?: readonly string[];
  readonly drainSeconds: number;
  readonly metrics?: string;
  readonly logLevel: string;
}

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
    .addOption(
      new Option('--threads <n>', 'threads of the runtime (default: all processors)')
        .env('ESPARSE_THREADS')
        .argParser(integer(1, 1024)),
    )
    .addOption(deviceOption('what runs the blocks').default('cpu'))
    .addOption(
      new Option(
        '--root <dir|s3://…|https://…>',
        'serve models and stores under this place only; may be repeated (default: .)',
      )
        .env('ESPARSE_ROOT')
        .argParser((text: string, before: readonly string[] | undefined) => collect(text, before)),
    )
    .addOption(
      new Option('--drain-seconds <n>', 'time that running calls have to end when the worker is told to stop')
        .default(DEFAULT_DRAIN_SECONDS)
        .env('ESPARSE_DRAIN_SECONDS')
        .argParser(integer(0, 86_400)),
    )
    .addOption(
      new Option(
        '--metrics <host:port>',
        'address of /metrics, for Prometheus, and /health over HTTP; port 0 picks a free one (default: none)',
      )
        .env('ESPARSE_METRICS')
        .argParser(hostPort),
    )
    .addOption(
      new Option('--log-level <level>', 'least level that is logged, to standard error')
        .choices(['debug', 'info', 'warn', 'error', 'silent'])
        .default('info')
        .env('ESPARSE_LOG_LEVEL'),
    );
  for (const option of serverTlsOptions()) command.addOption(option);
  return command.action(run);
}

async function run({
  listen,
  threads,
  device,
  root = ['.'],
  drainSeconds,
  metrics,
  logLevel,
  ...tls
}: Flags): Promise<void> {
  const log = pino({ name: 'esparse-worker', level: logLevel }, destination(2));
  const worker = await startWorker({
    listen,
    threads,
    device,
    roots: root,
    drainSeconds,
    metrics,
    log,
    ...tls,
  });
  // A pruner that started this worker waits for its address, and its end is the worker's end.
  process.send?.({ address: worker.address });
  await new Promise<void>((resolve) => {
    const stop = () => {
      resolve();
    };
    process.once('SIGINT', stop).once('SIGTERM', stop).once('disconnect', stop);
  });
  await worker.close();
  if (process.connected) process.disconnect();
}
