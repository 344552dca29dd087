import { writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import path from 'node:path';
import { inTemporaryFolder } from '@esparse/laws';
import { accessTo } from './access.ts';

const request = (headers: Record<string, string>) => ({ headers }) as unknown as IncomingMessage;

const withKey = <T>(work: (file: string) => Promise<T>) =>
  inTemporaryFolder(async (folder) => {
    const file = path.join(folder, 'keys');
    await writeFile(file, '# mine\nopen-sesame\n');
    return work(file);
  });

test.each(['0.0.0.0:1', '192.168.0.7:1', '[::]:1', 'example.org:1'])(
  '%s, which others reach, is refused without a key and taken with one',
  async (listen) => {
    await expect(accessTo(listen, undefined)).rejects.toMatchObject({ kind: 'usage' });
    await withKey((file) => accessTo(listen, file));
  },
);

test.each(['127.0.0.1:1', '127.8.8.8:1', 'localhost:1', '[::1]:1'])(
  '%s is open to this machine, and to no web page that has its name point here',
  async (listen) => {
    const access = await accessTo(listen, undefined);
    expect(access.allows(request({}))).toBe(true);
    expect(access.allowsHost(request({ host: '127.0.0.1:9000' }))).toBe(true);
    expect(access.allowsHost(request({ host: 'attacker.example' }))).toBe(false);
  },
);

test('a key opens by its header, or by the cookie that it is exchanged for; nothing else does', async () => {
  await withKey(async (file) => {
    const access = await accessTo('0.0.0.0:1', file);
    expect(access.allows(request({}))).toBe(false);
    expect(access.allows(request({ authorization: 'Bearer open-sesame' }))).toBe(true);
    expect(access.enter('wrong')).toBeUndefined();
    const cookie = access.enter('open-sesame')!;
    expect(cookie).toMatch(/; HttpOnly; SameSite=Strict; Path=\/$/);
    const [pair] = cookie.split(';');
    expect(access.allows(request({ cookie: `other=1; ${pair!}` }))).toBe(true);
    expect(access.allows(request({ cookie: `${pair!}x` }))).toBe(false);
    expect(access.allows(request({ cookie: 'esparse_ui=open-sesame' }))).toBe(false);
  });
});
