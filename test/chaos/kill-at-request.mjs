/**
 * Preloaded into an esparse process (`node --import`): ends it by SIGKILL at a request that would change a bucket, either
 * before it is sent or when its answer has come, which the process then never sees. See kill-at.mjs for files.
 *
 * ESPARSE_CHAOS is JSON: `store`, an s3:// address; `kills.prune`, `{ kind }` such as "PUT block, answered"; `log`, a file
 * for the kinds of all requests of a run that ends by itself.
 */
import fs from 'node:fs';
import http from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import { isMainThread } from 'node:worker_threads';
import { placeOf } from './place-of.mjs';

const { store, kills = {}, log } = JSON.parse(process.env.ESPARSE_CHAOS);
const command = process.argv[2];
const kill = kills[command];
const prefix = `/${store.slice('s3://'.length)}/`;
const seen = [];

if (isMainThread && command === 'prune') {
  const { request } = http;
  http.request = (options, ...rest) => {
    const { method = 'GET', path = '/' } = options;
    const key = decodeURIComponent(path.split('?')[0]);
    if (method === 'GET' || method === 'HEAD' || !key.startsWith(prefix)) return request(options, ...rest);
    const kind = `${method} ${placeOf(key.slice(prefix.length))}`;
    dieAt(`${kind}, unsent`);
    const sent = request(options, ...rest);
    sent.prependOnceListener('response', () => dieAt(`${kind}, answered`));
    return sent;
  };
  syncBuiltinESMExports();
  if (log !== undefined) process.on('exit', () => fs.writeFileSync(`${log}.${command}`, seen.join('\n')));
}

function dieAt(kind) {
  seen.push(kind);
  if (kill?.kind === kind) process.kill(process.pid, 'SIGKILL');
}
