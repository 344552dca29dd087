import { hostGuard } from './host-guard.ts';

const allows = hostGuard(['Models.example', 'api.example']);

test.each([
  'models.example',
  'MODELS.example:8080',
  'api.example.',
  'localhost:1',
  '127.0.0.1:8080',
  '10.0.0.7',
  '[::1]:8080',
  undefined,
])('a request to %s is served', (host) => {
  expect(allows(host)).toBe(true);
});

test.each([
  'attacker.example',
  'models.example.attacker.example',
  'localhost.attacker.example:8080',
  '127.0.0.1.attacker.example',
  '',
])('a request to %s is not', (host) => {
  expect(allows(host)).toBe(false);
});

test('without a list every host is served', () => {
  expect(hostGuard(undefined)('attacker.example')).toBe(true);
});
