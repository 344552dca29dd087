import { createRequire } from 'node:module';
import { EsparseError } from '@esparse/errors';

/**
 * Version of the protocol in `proto/esparse/v1`. Raised only by a change that an older peer would misread; new
 * fields and methods do not raise it.
 */
export const PROTOCOL_VERSION = 1;

const manifest = createRequire(import.meta.url)('../package.json') as { readonly version: string };

/** Version of the software, as `Describe` reports it. */
export const SOFTWARE_VERSION = manifest.version;

/** @throws EsparseError `protocol` unless the peer speaks this version. */
export function requireProtocol(version: number, peer: string): void {
  if (version === PROTOCOL_VERSION) return;
  throw new EsparseError(
    'protocol',
    `${peer} speaks protocol version ${version}, this esparse speaks ${PROTOCOL_VERSION}`,
    {
      hint: 'run the same esparse version on both sides',
    },
  );
}
