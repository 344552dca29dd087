import { Metadata } from '@grpc/grpc-js';
import { EsparseError } from '@esparse/errors';

/** What decides the bits of a worker's results: how it computes, and which model. */
export interface WorkerIdentity {
  /** Runtime version, execution provider, instruction set, rows per run. */
  readonly numerics: string;
  readonly modelDigest: string;
}

/** Initial metadata of a reply. */
const NUMERICS_KEY = 'esparse-numerics';
const MODEL_KEY = 'esparse-model';

/** The metadata that precedes a worker's reply. */
export function identityMetadata({ numerics, modelDigest }: WorkerIdentity): Metadata {
  const metadata = new Metadata();
  metadata.set(NUMERICS_KEY, numerics);
  metadata.set(MODEL_KEY, modelDigest);
  return metadata;
}

/** The identity in a reply's metadata, empty where it is missing. */
export function identityOf(metadata: Metadata): WorkerIdentity {
  const text = (key: string) => String(metadata.get(key)[0] ?? '');
  return { numerics: text(NUMERICS_KEY), modelDigest: text(MODEL_KEY) };
}

/**
 * Refuses a worker whose results would differ in their bits from those of the run.
 *
 * @param expected - What the run was begun with; empty fields are not known yet and match anything.
 * @throws EsparseError `usage` for other numerics, `checkpoint` for another model; both name what was expected.
 */
export function requireIdentity(expected: WorkerIdentity, found: WorkerIdentity, worker: string): void {
  const differs = (field: keyof WorkerIdentity) => expected[field] !== '' && expected[field] !== found[field];
  const context = { worker };
  if (differs('numerics')) {
    throw new EsparseError(
      'usage',
      `workers compute differently: the run was begun with ${expected.numerics}, ${worker} is ${found.numerics || 'unknown'}`,
      {
        hint: 'use workers of one runtime version, device and instruction set, and of as many threads where the ids name them',
        context,
      },
    );
  }
  if (differs('modelDigest')) {
    throw new EsparseError(
      'checkpoint',
      `${worker} sees another model: its digest is ${found.modelDigest || 'unknown'}, that of the run is ${expected.modelDigest}`,
      { hint: 'give every worker the same checkpoint under the same path', context },
    );
  }
}
