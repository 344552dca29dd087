import { PassThrough } from 'node:stream';
import { createLog, linesForPeople } from './log.ts';

async function written(isTTY: boolean): Promise<string> {
  const stream = Object.assign(new PassThrough(), { isTTY });
  const log = await createLog('esparse-serve', 'info', stream);
  log.debug('not logged');
  log.info({ url: 'http://127.0.0.1:8080' }, 'server is ready');
  await new Promise(setImmediate);
  return String(stream.read() ?? '');
}

test('on a terminal a log is lines for people, without colours where it has none', async () => {
  expect(await written(true)).toMatch(
    /^\[\d\d:\d\d:\d\d\] INFO: server is ready \{"url":"http:\/\/127\.0\.0\.1:8080"\}\n$/,
  );
});

test('elsewhere a log is one JSON object a line', async () => {
  expect(JSON.parse(await written(false))).toMatchObject({
    level: 30,
    name: 'esparse-serve',
    url: 'http://127.0.0.1:8080',
    msg: 'server is ready',
  });
});

test('lines of another process’s log become lines for people, and what is no log stays', async () => {
  const readable = await linesForPeople();
  expect(readable('{"level":40,"time":0,"name":"esparse-worker","msg":"failed","call":"OpenShard"}')).toMatch(
    /^\[\d\d:\d\d:\d\d\] WARN: failed \{"call":"OpenShard"\}$/,
  );
  expect(readable('error: there is no device cuda')).toBe('error: there is no device cuda');
});
