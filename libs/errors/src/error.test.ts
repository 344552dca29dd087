import { EsparseError, exitCodeOf, isErrorKind, isEsparseError, toEsparseError } from './index.ts';

test('an esparse error keeps its kind, hint, context and cause', () => {
  const cause = new Error('below');
  const error = new EsparseError('store', 'no such run', {
    hint: 'try --run',
    context: { run: 'a1' },
    cause,
  });
  expect(error).toMatchObject({
    kind: 'store',
    message: 'no such run',
    hint: 'try --run',
    context: { run: 'a1' },
  });
  expect(error.cause).toBe(cause);
  expect(toEsparseError(error)).toBe(error);
});

test('any other thrown value is internal, and a full disk is recognised whoever throws it', () => {
  expect(toEsparseError('odd')).toMatchObject({ kind: 'internal', message: 'odd' });
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), {
    code: 'ENOSPC',
    path: '/x',
  });
  expect(toEsparseError(full)).toMatchObject({ kind: 'space', message: expect.stringContaining('/x') });
});

test('an error is recognised by its brand, not by its class', () => {
  const copy = Object.assign(Object.create(null) as object, { [Symbol.for('esparse.error')]: true });
  expect(isEsparseError(copy)).toBe(true);
  expect(isEsparseError(new Error('plain'))).toBe(false);
});

test('bad input exits with 2, what may be tried again with 75, a defect with 1, a cancelled run with 130', () => {
  expect(exitCodeOf('unavailable')).toBe(75);
  expect(exitCodeOf('locked')).toBe(75);
  expect(exitCodeOf('checkpoint')).toBe(2);
  expect(exitCodeOf('internal')).toBe(1);
  expect(exitCodeOf('cancelled')).toBe(130);
});

test('a kind is told from any other text', () => {
  expect(['usage', 'slow_client', 'Usage', '', 'constructor'].filter(isErrorKind)).toEqual([
    'usage',
    'slow_client',
  ]);
});
