import {
  DEFAULT_DRAIN_SECONDS,
  DEFAULT_MAX_CONNECTIONS,
  DEFAULT_MAX_QUEUE,
  DEFAULT_MAX_SEQUENCES,
  DEFAULT_REQUEST_SECONDS,
  MAX_BODY_BYTES,
  startServer,
  type RunningServer,
} from '@esparse/inference';
import type { ServerTls } from '@esparse/protocol';
import { Command, Option } from 'commander';
import { aborted, withCancellation } from '../cancel.ts';
import { createLog } from '../log.ts';
import { cacheOf, cacheOptions, type CacheFlags } from '../options/cache.ts';
import { engineDeviceOption } from '../options/engine-device.ts';
import {
  allowedHostsOption,
  drainOption,
  logLevelOption,
  numeric,
  threadsOption,
} from '../options/shared.ts';
import { sourceOptions, type SourceFlags } from '../options/source.ts';
import { verifyOption, type VerifyFlags } from '../options/verify.ts';
import { encodingLoader } from '../options/encoding.ts';
import { familyLoader } from '../options/family.ts';
import { encodingOption, familyOption, type OwnFlags } from '../options/own.ts';
import { hostPort, integer, notEmpty } from '../options/values.ts';
import { serverTlsOptions } from '../options/tls.ts';

interface Flags extends CacheFlags, OwnFlags, ServerTls, SourceFlags, VerifyFlags {
  readonly modelName?: string;
  readonly chatTemplate?: string;
  readonly host: string;
  readonly port: number;
  readonly grpc?: string;
  readonly apiKeyFile?: string;
  readonly allowedHosts?: readonly string[];
  readonly maxSequences: number;
  readonly maxContext?: number;
  readonly threads?: number;
  readonly device?: string;
  readonly kvMemory?: number;
  readonly maxQueue: number;
  readonly maxBody: number;
  readonly maxConnections: number;
  readonly requestSeconds: number;
  readonly drainSeconds: number;
  readonly watch: boolean;
  readonly logLevel: string;
}

const MIB = 1024 * 1024;

/** What stopping takes at most beside the draining: answers leave, threads and processes end. */
const STOP_MS = 5_000;

/** `esparse serve` */
export function serveCommand(): Command {
  const [cacheDirectory, cacheSize] = cacheOptions();
  const command = new Command('serve').description(
    'Serves a pruned model from a store, or a checkpoint: OpenAI-compatible HTTP, and gRPC.',
  );
  const ofRun = 'run of the store, or its first digits (default: the current one, followed when it changes)';
  for (const option of sourceOptions(ofRun)) command.addOption(option);
  command
    .addOption(
      new Option(
        '--model-name <name>',
        "what clients call the model (default: the name of its checkpoint's folder, else of the store)",
      )
        .env('ESPARSE_MODEL_NAME')
        .argParser(notEmpty),
    )
    .addOption(
      new Option(
        '--chat-template <file>',
        "Jinja template that chats are written with (default: the checkpoint's own)",
      ).env('ESPARSE_CHAT_TEMPLATE'),
    )
    .addOption(
      new Option('--host <address>', 'address to listen on').default('127.0.0.1').env('ESPARSE_HOST'),
    )
    .addOption(
      numeric('--port <n>', 'port of HTTP; 0 picks a free one', 8080, 'ESPARSE_PORT', integer(0, 65_535)),
    )
    .addOption(
      new Option('--grpc <host:port>', 'address of gRPC; port 0 picks a free one (default: no gRPC)')
        .env('ESPARSE_GRPC')
        .argParser(hostPort),
    )
    .addOption(
      new Option(
        '--api-key-file <file>',
        'file of keys, one a line: every route but /health then needs one (default: none)',
      ).env('ESPARSE_API_KEY_FILE'),
    )
    .addOption(allowedHostsOption())
    .addOption(
      numeric(
        '--max-sequences <n>',
        'texts that are generated at once',
        DEFAULT_MAX_SEQUENCES,
        'ESPARSE_MAX_SEQUENCES',
        integer(1, 1024),
      ),
    )
    .addOption(
      new Option(
        '--max-context <n>',
        "tokens of a prompt and its text together (default: the model's, at most 4096)",
      )
        .env('ESPARSE_MAX_CONTEXT')
        .argParser(integer(2, 1_048_576)),
    )
    .addOption(engineDeviceOption())
    .addOption(threadsOption('threads of the engine'))
    .addOption(
      new Option(
        '--kv-memory <mib>',
        'bound of the key-value cache (default: 1024; on a GPU, nine tenths of what memory the model leaves)',
      )
        .env('ESPARSE_KV_MEMORY')
        .argParser(integer(1, 1_048_576)),
    )
    .addOption(familyOption())
    .addOption(encodingOption())
    .addOption(cacheDirectory)
    .addOption(cacheSize)
    .addOption(
      numeric(
        '--max-queue <n>',
        'texts that wait; beyond them requests are answered 429',
        DEFAULT_MAX_QUEUE,
        'ESPARSE_MAX_QUEUE',
        integer(0, 100_000),
      ),
    )
    .addOption(
      numeric(
        '--max-body <bytes>',
        'body of a request',
        MAX_BODY_BYTES,
        'ESPARSE_MAX_BODY',
        integer(1024, 64 * MIB),
      ),
    )
    .addOption(
      numeric(
        '--max-connections <n>',
        'connections at once',
        DEFAULT_MAX_CONNECTIONS,
        'ESPARSE_MAX_CONNECTIONS',
        integer(1, 65_535),
      ),
    )
    .addOption(
      numeric(
        '--request-seconds <n>',
        'time of a request, from its arrival to its last token',
        DEFAULT_REQUEST_SECONDS,
        'ESPARSE_REQUEST_SECONDS',
        integer(1, 86_400),
      ),
    )
    .addOption(drainOption('requests', DEFAULT_DRAIN_SECONDS))
    .addOption(
      new Option('--watch', "serve the store's new current run as soon as there is one (else: on SIGHUP)")
        .default(false)
        .conflicts('model')
        .env('ESPARSE_WATCH'),
    )
    .addOption(verifyOption())
    .addOption(logLevelOption());
  for (const option of serverTlsOptions()) command.addOption(option);
  return command.action((flags: Flags) =>
    withCancellation((signal) => run(flags, signal), { cleanupMs: 1000 * flags.drainSeconds + STOP_MS }),
  );
}

/** Before the model is open, a signal cancels; later it stops the server, which is a good end. */
async function run(
  { kvMemory, maxBody, logLevel, chatTemplate, ...flags }: Flags,
  signal: AbortSignal,
): Promise<void> {
  const hangUps = listenToHangUps(signal);
  try {
    const family = await familyLoader(flags);
    const encoding = await encodingLoader(flags);
    const log = await createLog('esparse-serve', logLevel);
    const server = await startServer({
      ...flags,
      family,
      encoding,
      kvBytes: kvMemory === undefined ? undefined : kvMemory * MIB,
      ...cacheOf(flags),
      maxBodyBytes: maxBody,
      chatTemplateFile: chatTemplate,
      log,
      signal,
    });
    process.stdout.write(
      `serving on ${server.url}${server.grpc === undefined ? '' : `, gRPC on ${server.grpc}`}\n`,
    );
    hangUps.reload(server);
    try {
      await Promise.race([aborted(signal), server.failed]);
    } finally {
      await server.close();
    }
  } finally {
    hangUps.unlisten();
  }
}

/** SIGHUP, which would end a process that does not listen to it. */
interface HangUps {
  /** From now on it has this server look for a new run: at once, where it came before. */
  reload(server: RunningServer): void;
  unlisten(): void;
}

/** Listens from before the server is there until it has stopped: whoever reloads it need not know how far it is. */
function listenToHangUps(signal: AbortSignal): HangUps {
  let running: RunningServer | undefined;
  let missed = false;
  const hangUp = () => {
    missed = running === undefined;
    // One that stops lets its requests end.
    if (!signal.aborted) void running?.reload();
  };
  process.on('SIGHUP', hangUp);
  return {
    reload(server) {
      running = server;
      if (missed) hangUp();
    },
    unlisten: () => process.off('SIGHUP', hangUp),
  };
}
