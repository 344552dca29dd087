import { EsparseError, invalidField, isEsparseError, isRequestError, RequestError } from './index.ts';

test('an error of a request is an esparse error with what a client needs to know', () => {
  const error = new RequestError('busy', 'full', { code: 'queue_full', retryAfter: 3, hint: 'wait' });
  expect(error).toMatchObject({
    kind: 'busy',
    message: 'full',
    code: 'queue_full',
    param: undefined,
    retryAfter: 3,
    hint: 'wait',
  });
  expect([isRequestError(error), isEsparseError(error)]).toEqual([true, true]);
});

test('a field at fault is named', () => {
  expect(invalidField('n', 'too many', 'invalid_value')).toMatchObject({
    kind: 'invalid',
    param: 'n',
    code: 'invalid_value',
  });
});

test('no other error is one that a client may be told', () => {
  for (const other of [new EsparseError('invalid', 'a'), new Error('b'), 'c', undefined]) {
    expect(isRequestError(other)).toBe(false);
  }
});
