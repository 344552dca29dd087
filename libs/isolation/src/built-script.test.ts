import { builtScript } from './built-script.ts';

test('a script lies beside the built module that starts it', () => {
  const { href } = builtScript('file:///home/src/esparse/libs/a/dist/deep/start.js', 'own-thread');
  expect(href).toBe('file:///home/src/esparse/libs/a/dist/deep/own-thread.js');
});

test('from a source it is the script that was built of the source beside it', () => {
  const { href } = builtScript('file:///home/src/esparse/libs/a/src/deep/start.ts', '../own-thread');
  expect(href).toBe('file:///home/src/esparse/libs/a/dist/own-thread.js');
});
