import { cannotListen } from './listen-error.ts';

test.each([
  [
    'listen EADDRINUSE: address already in use 127.0.0.1:80',
    'EADDRINUSE: address already in use 127.0.0.1:80',
    /is free/,
  ],
  [
    'No address added out of total 1 resolved errors: [listen EACCES: permission denied 127.0.0.1:80]',
    'EACCES: permission denied 127.0.0.1:80',
    /may not have this port.*1024/,
  ],
  [
    'listen EADDRNOTAVAIL: address not available 10.1.2.3:80',
    'EADDRNOTAVAIL: address not available 10.1.2.3:80',
    /no such address/,
  ],
  ['getaddrinfo ENOTFOUND nowhere', 'getaddrinfo ENOTFOUND nowhere', /nobody knows this name/],
  ['something else', 'something else', /an address of this machine/],
])('%s: the reason is said, and what to do about it', (message, reason, hint) => {
  const error = cannotListen('HOST:80', '--listen', new Error(message));
  expect(error.message).toBe(`cannot listen on HOST:80: ${reason}`);
  expect(error.hint).toMatch(hint);
  expect(error.hint).toContain('--listen');
});

test('where the host has an option of its own, what is wrong with the host is said of that one', () => {
  const hintOf = (message: string) => cannotListen('HOST:80', '--port', new Error(message), '--host').hint;
  expect(hintOf('listen EADDRNOTAVAIL: address not available 10.1.2.3:80')).toContain('give --host one');
  expect(hintOf('listen EADDRINUSE: address already in use 127.0.0.1:80')).toContain('give --port one');
});
