import type { Metadata } from '@grpc/grpc-js';
import { EsparseError, toEsparseError } from '@esparse/errors';
import { identityOf, requireIdentity, type WorkerIdentity } from './identity.ts';

/** A call whose metadata say who answers it. */
export interface IdentifiedCall {
  on(event: 'metadata', listener: (metadata: Metadata) => void): unknown;
  cancel(): void;
}

/** Checks who answers a call before its reply is used. */
export interface IdentityCheck {
  /** Why the call was cancelled, where the worker does not belong to the run. */
  readonly refusal: EsparseError | undefined;
  /** @throws EsparseError `protocol` where the worker has not said who it is */
  requireIdentified(): void;
}

/**
 * Watches what a call's metadata say of the worker; one that does not belong to the run ends the call.
 *
 * @param expected - Undefined for a call that any worker may answer.
 * @param worker - Names the worker in errors.
 */
export function checkIdentity(
  call: IdentifiedCall,
  expected: Partial<WorkerIdentity> | undefined,
  worker: () => string,
): IdentityCheck {
  let identified = false;
  let refusal: EsparseError | undefined;
  call.on('metadata', (metadata) => {
    if (expected === undefined) return;
    const { numerics = '', modelDigest = '' } = expected;
    const found = identityOf(metadata);
    identified = found.numerics !== '' && found.modelDigest !== '';
    try {
      requireIdentity({ numerics, modelDigest }, found, worker());
    } catch (error) {
      refusal = toEsparseError(error);
      call.cancel();
    }
  });
  return {
    get refusal() {
      return refusal;
    },
    requireIdentified() {
      if (expected === undefined || identified) return;
      throw new EsparseError('protocol', `worker ${worker()} does not say how it computes`, {
        hint: 'run the same esparse version on both sides',
        context: { worker: worker() },
      });
    },
  };
}
