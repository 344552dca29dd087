import { EventEmitter } from 'node:events';
import type { Metadata } from '@grpc/grpc-js';
import { checkIdentity, type IdentityCheck } from './identity-check.ts';
import { identityMetadata, type WorkerIdentity } from './identity.ts';

const RUN: WorkerIdentity = { numerics: 'runtime-1/cpu', modelDigest: 'abc' };

/** A call that a worker answers with these metadata, and what became of it. */
function answered(expected: Partial<WorkerIdentity> | undefined, ...replies: WorkerIdentity[]) {
  const call = Object.assign(new EventEmitter<{ metadata: [Metadata] }>(), { cancel: jest.fn() });
  const check: IdentityCheck = checkIdentity(call, expected, () => 'worker-3');
  for (const reply of replies) call.emit('metadata', identityMetadata(reply));
  return { check, cancelled: call.cancel.mock.calls.length > 0 };
}

test.each<[string, Partial<WorkerIdentity>]>([
  ['all that is known of it', RUN],
  ['its numerics, the model being unknown', { numerics: RUN.numerics }],
  ['its model, the numerics being unknown', { modelDigest: RUN.modelDigest }],
  ['nothing that is known yet', {}],
])('a worker is taken that agrees with the run in %s', (_what, expected) => {
  const { check, cancelled } = answered(expected, RUN);
  expect({ refusal: check.refusal, cancelled }).toEqual({ refusal: undefined, cancelled: false });
  expect(() => {
    check.requireIdentified();
  }).not.toThrow();
});

test.each<[string, WorkerIdentity, string]>([
  ['computes differently', { ...RUN, numerics: 'runtime-2/cpu' }, 'usage'],
  ['sees another model', { ...RUN, modelDigest: 'def' }, 'checkpoint'],
  ['does not say what the run knows', { numerics: '', modelDigest: '' }, 'usage'],
])('the call of a worker that %s is cancelled, for a reason that names it', (_what, found, kind) => {
  const { check, cancelled } = answered(RUN, found);
  expect(cancelled).toBe(true);
  expect(check.refusal).toMatchObject({ kind, context: { worker: 'worker-3' } });
});

test.each<[string, WorkerIdentity[]]>([
  ['sends no metadata', []],
  ['leaves out its numerics', [{ ...RUN, numerics: '' }]],
  ['leaves out its model', [{ ...RUN, modelDigest: '' }]],
])('no reply is used of a worker that %s, even where nothing is known of the run yet', (_what, replies) => {
  const { check } = answered({}, ...replies);
  expect(() => {
    check.requireIdentified();
  }).toThrow(expect.objectContaining({ kind: 'protocol', context: { worker: 'worker-3' } }));
});

test.each<[string, WorkerIdentity[]]>([
  ['another run', [{ numerics: 'other', modelDigest: 'other' }]],
  ['no run', []],
])('a call that any worker may answer is answered by one of %s, too', (_what, replies) => {
  const { check, cancelled } = answered(undefined, ...replies);
  expect({ refusal: check.refusal, cancelled }).toEqual({ refusal: undefined, cancelled: false });
  expect(() => {
    check.requireIdentified();
  }).not.toThrow();
});
