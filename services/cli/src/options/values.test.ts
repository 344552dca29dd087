import { collect, hostPort, integer } from './values.ts';

test('a whole number is taken within its bounds and refused outside them', () => {
  const parse = integer(1, 8);
  expect(parse('8')).toBe(8);
  for (const bad of ['0', '9', '1.5', 'one', '', '1e0', ' 1'])
    expect(() => parse(bad)).toThrow(/from 1 to 8/);
});

test('an address is HOST:PORT, IPv6 in brackets', () => {
  for (const good of ['localhost:7070', '127.0.0.1:0', '[::1]:7070']) expect(hostPort(good)).toBe(good);
  for (const bad of ['localhost', ':7070', 'a:b', 'a:70000', '::1:7070'])
    expect(() => hostPort(bad)).toThrow(/HOST:PORT/);
});

test('an option that is repeated collects its values', () => {
  expect(collect('b', collect('a', undefined))).toEqual(['a', 'b']);
});
