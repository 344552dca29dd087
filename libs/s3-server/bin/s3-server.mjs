/**
 * An S3-compatible server for tests: s3rver, which ignores conditions on writes, and by option with those added
 * (`If-Match` and `If-None-Match: *` of PUT, as S3 has them), and open uploads that can be listed and ended. The process that forks it sends options, then faults to make.
 */
import process from 'node:process';
import { Transform } from 'node:stream';
import { finished } from 'node:stream/promises';
import S3rver from 's3rver';
import { serialByKey } from './serial-by-key.mjs';
import { withUploads } from './uploads.mjs';
import { makeWritesWhole } from './whole-writes.mjs';

const { directory, bucket, conditional, port } = JSON.parse(process.argv[2]);

const server = new S3rver({
  address: '127.0.0.1',
  port,
  silent: true,
  directory,
  configureBuckets: [{ name: bucket }],
  vhostBuckets: false,
});
// A client that goes away in the middle of a body is no event here.
server.silent = true;
server.on('error', () => undefined);

makeWritesWhole(server.store, directory);

/** Faults to make, each `times` times. */
let faults = [];
/** Requests since they were last asked for. */
let requests = [];

function faultFor(ctx) {
  const fault = faults.find(
    ({ method, url, times }) =>
      times > 0 &&
      (method === undefined || method === ctx.method) &&
      new RegExp(url).test(decodeURIComponent(ctx.url)),
  );
  if (fault !== undefined) fault.times--;
  return fault;
}

async function refuse(ctx, status, code, headers = {}) {
  ctx.req.resume();
  // Answered in the middle of its body, a client may find its connection closed before it reads the answer, and try again.
  await finished(ctx.req, { writable: false }).catch(() => undefined);
  ctx.status = status;
  ctx.type = 'application/xml';
  ctx.set(headers);
  ctx.body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>made for a test</Message></Error>`;
}

async function withFaults(ctx, next) {
  requests.push(`${ctx.method} ${decodeURIComponent(ctx.url)}`);
  const fault = faultFor(ctx);
  if (fault?.reset === 'before') return ctx.req.socket.destroy();
  if (fault?.status !== undefined) return refuse(ctx, fault.status, fault.code, fault.headers);
  await next();
  // It was done, and the client gets no answer.
  if (fault?.reset === 'after') return ctx.req.socket.destroy();
  if (fault?.cutAfter !== undefined && ctx.body?.pipe !== undefined) ctx.body = cut(ctx, fault.cutAfter);
}

/** Ends the connection after so many bytes of a body. */
function cut(ctx, bytes) {
  const { length } = ctx;
  const body = ctx.body.pipe(
    new Transform({
      transform(chunk, _encoding, done) {
        const part = chunk.subarray(0, Math.max(0, bytes));
        bytes -= chunk.length;
        if (bytes < 0) setImmediate(() => ctx.req.socket.destroy());
        done(null, part);
      },
    }),
  );
  ctx.body = body;
  ctx.length = length;
  return body;
}

/** Writes of one key happen one after the other, so that condition and write are one step. */
const serial = serialByKey();

async function withConditions(ctx, next) {
  if (!['PUT', 'DELETE'].includes(ctx.method) || ctx.querystring.includes('uploadId')) return next();
  return serial(ctx.path, async () => {
    const [, name, ...key] = decodeURIComponent(ctx.path).split('/');
    const found = await server.store.getMetadata(name, key.join('/')).catch(() => undefined);
    const { 'if-none-match': none, 'if-match': match } = ctx.headers;
    if (none === '*' && found !== undefined) return refuse(ctx, 412, 'PreconditionFailed');
    if (match !== undefined && found === undefined) return refuse(ctx, 404, 'NoSuchKey');
    if (match !== undefined && found.etag !== match) return refuse(ctx, 412, 'PreconditionFailed');
    return next();
  });
}

/** s3rver promises a byte of an object that has none, and never sends it; S3 says that there is no such range. */
async function withEmptyObjects(ctx, next) {
  if (ctx.method !== 'GET' || ctx.headers.range === undefined) return next();
  const [, name, ...key] = decodeURIComponent(ctx.path).split('/');
  const found = await server.store.getMetadata(name, key.join('/')).catch(() => undefined);
  return found?.['content-length'] === 0 ? refuse(ctx, 416, 'InvalidRange') : next();
}

server.middleware.unshift(withEmptyObjects, withUploads(directory));
if (conditional) server.middleware.unshift(withConditions);
server.middleware.unshift(withFaults);

process.on('message', ({ set, take }) => {
  if (set !== undefined) faults = set;
  process.send({ answer: take === true ? requests.splice(0) : [] });
});
process.on('disconnect', () => process.exit());

const listening = await server.run();
// Tests make many short requests: a connection that ends between two of them is another test's business.
server.httpServer.keepAliveTimeout = 60_000;
process.send({ port: listening.port });
