import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { credentials, ServerCredentials, type ChannelCredentials } from '@grpc/grpc-js';
import { EsparseError, messageOf } from '@esparse/errors';

/** PEM files of a server. Its certificates are read once, at the start. */
export interface ServerTls {
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  /** The authority that signs the certificates of clients: with it a client must have one (mutual TLS). */
  readonly tlsClientCa?: string | undefined;
  /** Serves in clear text, to any client, also where other hosts reach it. */
  readonly insecure?: boolean | undefined;
}

/** PEM files of a client. */
export interface ClientTls {
  /** The authority that signs the certificates of servers. @default the authorities that Node knows, where a certificate is given */
  readonly tlsCa?: string | undefined;
  /** The client's own certificate, for servers that ask for one (mutual TLS). */
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  /** Connects in clear text, to any server, also over a network. */
  readonly insecure?: boolean | undefined;
}

/** Most bytes of a PEM file: a long chain takes some 20 KB. */
const MAX_PEM_BYTES = 1024 * 1024;

/**
 * The credentials of a server that listens on `listen`.
 *
 * @param option - The option that `listen` was given with, for messages.
 * @throws EsparseError `usage` for files that do not belong together, and for clear text where others could connect.
 */
export async function serverCredentials(
  { tlsCert, tlsKey, tlsClientCa, insecure = false }: ServerTls,
  listen: string,
  option: string,
): Promise<ServerCredentials> {
  const pair = await keyPair(tlsCert, tlsKey);
  if (pair === undefined) {
    if (tlsClientCa !== undefined) throw bad('--tls-client-ca needs --tls-cert and --tls-key');
    if (!isLoopback(listen) && !insecure) {
      throw bad(
        `${option} ${listen} can be reached from other hosts, in clear text and by anybody`,
        'give --tls-cert, --tls-key and --tls-client-ca; or --insecure on a network that you trust',
      );
    }
    return ServerCredentials.createInsecure();
  }
  const clientCa = tlsClientCa === undefined ? null : await authorities('--tls-client-ca', tlsClientCa);
  const { cert, key } = pair;
  return ServerCredentials.createSsl(clientCa, [{ cert_chain: cert, private_key: key }], clientCa !== null);
}

/**
 * The credentials with which a client speaks to workers.
 *
 * @throws EsparseError `usage` for files that do not belong together, and for clear text over a network.
 */
export async function clientCredentials(
  { tlsCa, tlsCert, tlsKey, insecure = false }: ClientTls,
  targets: readonly string[],
): Promise<ChannelCredentials> {
  const pair = await keyPair(tlsCert, tlsKey);
  if (pair === undefined && tlsCa === undefined) {
    const far = targets.find((target) => !isLoopback(target));
    if (far !== undefined && !insecure) {
      throw bad(
        `${far} is on another host: the model's activations would cross the network in clear text`,
        'give --tls-ca, and --tls-cert and --tls-key for mutual TLS; or --insecure on a network that you trust',
      );
    }
    return credentials.createInsecure();
  }
  const ca = tlsCa === undefined ? null : await authorities('--tls-ca', tlsCa);
  return credentials.createSsl(ca, pair?.key ?? null, pair?.cert ?? null);
}

/** True for a target on this machine: HOST:PORT, or a name of gRPC. */
export function isLoopback(target: string): boolean {
  const addresses = target.replace(/^(dns|ipv4|ipv6):(\/\/[^/]*\/)?/, '').split(',');
  return addresses.every((address) => /^(127(\.\d{1,3}){3}|localhost|\[::1\])(:\d+)?$/.test(address));
}

/** A certificate and its key, checked to belong together. */
async function keyPair(
  certFile: string | undefined,
  keyFile: string | undefined,
): Promise<{ cert: Buffer; key: Buffer } | undefined> {
  if (certFile === undefined && keyFile === undefined) return undefined;
  if (certFile === undefined || keyFile === undefined) {
    throw bad('--tls-cert and --tls-key are given together or not at all');
  }
  const cert = await readPem('--tls-cert', certFile);
  const key = await readPem('--tls-key', keyFile);
  const [own] = certificatesIn('--tls-cert', certFile, cert);
  if (Date.parse(own.validTo) < Date.now()) {
    throw bad(`--tls-cert ${certFile}: the certificate has expired, on ${own.validTo}`);
  }
  let privateKey;
  try {
    privateKey = createPrivateKey(key);
  } catch {
    // What the parser says of a key is not repeated: it could hold parts of it.
    throw bad(
      `--tls-key ${keyFile} is not a PEM file with a private key`,
      'a key that needs a passphrase has to be decrypted first',
    );
  }
  if (!own.checkPrivateKey(privateKey)) {
    throw bad(`--tls-key ${keyFile} is not the key of the certificate in --tls-cert ${certFile}`);
  }
  return { cert, key };
}

async function authorities(option: string, file: string): Promise<Buffer> {
  const pem = await readPem(option, file);
  certificatesIn(option, file, pem);
  return pem;
}

async function readPem(option: string, file: string): Promise<Buffer> {
  try {
    const bytes = await readFile(file);
    if (bytes.length <= MAX_PEM_BYTES) return bytes;
  } catch (cause) {
    throw bad(`${option} ${file} cannot be read: ${messageOf(cause)}`);
  }
  throw bad(`${option} ${file} has more than ${MAX_PEM_BYTES} bytes: that is not a PEM file`);
}

/** Every certificate in a PEM file, the first being its owner's. */
function certificatesIn(option: string, file: string, pem: Buffer): [X509Certificate, ...X509Certificate[]] {
  const blocks = pem.toString('latin1').match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g);
  try {
    const [first, ...others] = (blocks ?? []).map((block) => new X509Certificate(block));
    if (first !== undefined) return [first, ...others];
  } catch {
    // Reported below, without what the parser read.
  }
  throw bad(`${option} ${file} is not a PEM file with certificates`);
}

function bad(message: string, hint?: string): EsparseError {
  return new EsparseError('usage', message, { hint });
}
