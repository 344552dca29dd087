import { Option } from 'commander';

/** The options of a gRPC server, whose fields are those of `ServerTls`. */
export function serverTlsOptions(): Option[] {
  return [
    file('--tls-cert <file>', 'certificate of the gRPC server, PEM, with its chain', 'ESPARSE_TLS_CERT'),
    file('--tls-key <file>', 'its key, PEM', 'ESPARSE_TLS_KEY'),
    file(
      '--tls-client-ca <file>',
      'authority that signs the certificates of gRPC clients, PEM: they must then have one (mutual TLS)',
      'ESPARSE_TLS_CLIENT_CA',
    ),
    new Option('--insecure', 'serve gRPC in clear text, to any client, also beyond this machine')
      .default(false)
      .env('ESPARSE_INSECURE'),
  ];
}

/** The options of a gRPC client, whose fields are those of `ClientTls`. */
export function clientTlsOptions(): Option[] {
  return [
    file(
      '--tls-ca <file>',
      'authority that signs the certificates of workers, PEM: they must then have one',
      'ESPARSE_TLS_CA',
    ),
    file('--tls-cert <file>', 'certificate to show to workers, PEM (mutual TLS)', 'ESPARSE_TLS_CERT'),
    file('--tls-key <file>', 'its key, PEM', 'ESPARSE_TLS_KEY'),
    new Option('--insecure', 'connect to workers in clear text, also on other hosts')
      .default(false)
      .env('ESPARSE_INSECURE'),
  ];
}

function file(flags: string, description: string, variable: string): Option {
  return new Option(flags, description).env(variable);
}
