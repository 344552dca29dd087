import { ownCommand } from './own-command.ts';

test.each([
  ['/usr/local/bin/esparse', 'esparse'],
  ['/home/me/project/node_modules/.bin/esparse', 'npx esparse'],
  ['/home/me/esparse/services/cli/bin/esparse.mjs', 'npx esparse'],
])('a command that was started as %s is run again as %s', (script, command) => {
  expect(ownCommand(script)).toBe(command);
});
