import { ERROR_KINDS, type ErrorKind } from '@esparse/errors';
import { httpStatusOf } from './status.ts';

const OF_REQUESTS: readonly [ErrorKind, number][] = [
  ['invalid', 400],
  ['unauthenticated', 401],
  ['not_found', 404],
  ['slow_client', 408],
  ['busy', 429],
  ['cancelled', 499],
  ['timeout', 503],
  ['unavailable', 503],
];

test.each(OF_REQUESTS)('an error of kind %s is answered %i', (kind, status) => {
  expect(httpStatusOf(kind)).toBe(status);
});

test('every other kind is a fault of the server', () => {
  const others = ERROR_KINDS.filter((kind) => !OF_REQUESTS.some(([known]) => known === kind));
  expect(others).toContain('usage'); // an option of whoever runs the server, not a field of the request
  for (const kind of others) expect([kind, httpStatusOf(kind)]).toEqual([kind, 500]);
});
