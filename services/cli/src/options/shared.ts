import { Option } from 'commander';
import { hostNames, integer, notEmpty } from './values.ts';

/** An option that must be given, or its variable set. */
export function required(flags: string, description: string, variable: string): Option {
  return new Option(flags, description).env(variable).makeOptionMandatory().argParser(notEmpty);
}

/** An option with a number as its value. */
export function numeric(
  flags: string,
  description: string,
  value: number,
  variable: string,
  parse: (text: string) => number,
): Option {
  return new Option(flags, description).default(value).env(variable).argParser(parse);
}

/** --store, of the commands that read one. */
export function storeOption(description = 'store of a pruned model'): Option {
  return new Option('--store <dir|s3://…>', description).env('ESPARSE_STORE').makeOptionMandatory();
}

/** --run, of the commands that read a store. */
export function runOption(
  description = 'run of the store, or its first digits (default: the current one)',
): Option {
  return new Option('--run <fingerprint>', description).env('ESPARSE_RUN');
}

/** --threads; without it, all processors are used. */
export function threadsOption(description: string, most = 1024): Option {
  return new Option('--threads <n>', `${description} (default: all processors)`)
    .env('ESPARSE_THREADS')
    .argParser(integer(1, most));
}

/** --json, of the commands whose result a program may read. */
export function jsonOption(description = 'print one JSON object'): Option {
  return new Option('--json', description).default(false).env('ESPARSE_JSON');
}

/** --log-level, of the servers. */
export function logLevelOption(): Option {
  return new Option('--log-level <level>', 'least level that is logged, to standard error')
    .choices(['debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .env('ESPARSE_LOG_LEVEL');
}

/** --allowed-hosts, of the servers. */
export function allowedHostsOption(): Option {
  return new Option(
    '--allowed-hosts <names>',
    'names that requests over HTTP may give as their Host, beside localhost and IP addresses: against web pages that have ' +
      'their name point at this machine; may be repeated or separated by commas (default: any)',
  )
    .env('ESPARSE_ALLOWED_HOSTS')
    .argParser(hostNames);
}

/** --drain-seconds, of the servers. */
export function drainOption(running: string, seconds: number): Option {
  return numeric(
    '--drain-seconds <n>',
    `time that running ${running} have to end once the process is asked to stop`,
    seconds,
    'ESPARSE_DRAIN_SECONDS',
    integer(0, 86_400),
  );
}
