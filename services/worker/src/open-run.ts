import { EsparseError } from '@esparse/errors';
import { identityMetadata, requireIdentity, requireProtocol, type RunRef__Output } from '@esparse/protocol';
import type { ModelTarget } from './compute-inputs.ts';
import type { CallContext } from './handlers.ts';
import type { PathGuard } from './roots.ts';
import type { ComputeThread } from './start-compute.ts';

/** What a call works on, checked: paths lie below the worker's roots. */
export interface RunTarget extends ModelTarget {
  readonly store: string;
  /** Fingerprint of the run. */
  readonly run: string;
}

/**
 * Opens the model of a run, sends the client who answers, and refuses a run that was begun with other numerics or
 * another model.
 *
 * @throws EsparseError `protocol`, `usage`, `denied`, `checkpoint`
 */
export type OpenRun = (
  ref: RunRef__Output | null,
  context: Pick<CallContext, 'sendMetadata'>,
) => Promise<RunTarget>;

export function createOpenRun(guard: PathGuard, compute: Pick<ComputeThread, 'call'>): OpenRun {
  return async (ref, { sendMetadata }) => {
    if (ref === null) throw new EsparseError('protocol', 'the request names no run');
    requireProtocol(ref.protocolVersion, 'the pruner');
    if (!/^[0-9a-f]{8,64}$/.test(ref.run)) throw new EsparseError('usage', 'the run is not a fingerprint');
    const model = await guard('model', ref.model);
    const store = await guard('store', ref.store);
    const { run, seqlen, numerics, modelDigest, branches } = ref;
    const identity = await compute.call('openModel', { model, seqlen, branches });
    sendMetadata(identityMetadata(identity));
    requireIdentity({ numerics, modelDigest }, identity, 'this worker');
    return { model, store, run, seqlen, branches };
  };
}
