import { status } from '@grpc/grpc-js';
import { EsparseError, type ErrorKind } from '@esparse/errors';
import { kindOfGrpcStatus } from './grpc-status.ts';
import { grpcStatusOf, toServiceError } from './index.ts';

test.each<[ErrorKind, keyof typeof status]>([
  ['usage', 'INVALID_ARGUMENT'],
  ['invalid', 'INVALID_ARGUMENT'],
  ['text', 'INVALID_ARGUMENT'],
  ['not_found', 'NOT_FOUND'],
  ['unauthenticated', 'UNAUTHENTICATED'],
  ['denied', 'PERMISSION_DENIED'],
  ['timeout', 'DEADLINE_EXCEEDED'],
  ['slow_client', 'DEADLINE_EXCEEDED'],
  ['busy', 'RESOURCE_EXHAUSTED'],
  ['space', 'RESOURCE_EXHAUSTED'],
  ['unavailable', 'UNAVAILABLE'],
  ['store', 'FAILED_PRECONDITION'],
  ['cancelled', 'CANCELLED'],
  ['internal', 'INTERNAL'],
])(
  'an error of kind %s has the status %s, which peers understand that do not know our kinds',
  (kind, name) => {
    expect(grpcStatusOf(kind)).toBe(status[name]);
    expect(toServiceError(new EsparseError(kind, 'why')).code).toBe(status[name]);
  },
);

test('any other error is INTERNAL', () => {
  expect(toServiceError(new Error('bug')).code).toBe(status.INTERNAL);
});

test('a bare status that says what to do has its own kind, any other and any unknown number is internal', () => {
  expect(kindOfGrpcStatus(status.CANCELLED)).toBe('cancelled');
  expect(kindOfGrpcStatus(status.UNAVAILABLE)).toBe('unavailable');
  expect(kindOfGrpcStatus(status.DEADLINE_EXCEEDED)).toBe('unavailable');
  expect(kindOfGrpcStatus(status.UNIMPLEMENTED)).toBe('protocol');
  expect(kindOfGrpcStatus(status.DATA_LOSS)).toBe('internal');
  expect(kindOfGrpcStatus(99)).toBe('internal');
});
