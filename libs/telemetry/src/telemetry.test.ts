import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { startTelemetry, telemetryEnabled, trace, traceHeaders } from './index.ts';

interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly status: { readonly code?: number; readonly message?: string };
  readonly attributes: readonly { readonly key: string; readonly value: Record<string, unknown> }[];
}

interface Export {
  readonly resourceSpans: readonly { readonly scopeSpans: readonly { readonly spans: readonly Span[] }[] }[];
}

test('it is on where the environment names a collector, and not otherwise', () => {
  expect(telemetryEnabled({})).toBe(false);
  expect(telemetryEnabled({ OTEL_EXPORTER_OTLP_ENDPOINT: '' })).toBe(false);
  expect(telemetryEnabled({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' })).toBe(true);
  expect(telemetryEnabled({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://c:4318/v1/traces' })).toBe(true);
  for (const off of [{ OTEL_SDK_DISABLED: 'true' }, { OTEL_TRACES_EXPORTER: 'none' }]) {
    expect(telemetryEnabled({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318', ...off })).toBe(false);
  }
});

test('while it is off, work runs as if there were no spans', async () => {
  const flush = await startTelemetry('test', '1');
  await expect(trace('a', {}, () => Promise.resolve(traceHeaders()))).resolves.toEqual({});
  await expect(trace('a', {}, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  await flush();
});

/** What a process of its own does: the SDK takes its classes from one realm, and Jest has another. */
const PROCESS = `
  import assert from 'node:assert/strict';
  import { activeSpan, beginSpan, startTelemetry, trace, traceHeaders, withRemoteParent } from ${JSON.stringify(
    new URL('../dist/index.js', import.meta.url).href,
  )};
  const flush = await startTelemetry('esparse-test', '1.2.3');
  let headers, parent;
  await trace('run', { 'esparse.run': 'abc', 'esparse.block': undefined }, async () => {
    headers = traceHeaders();
    parent = activeSpan();
    await assert.rejects(trace('block', {}, async () => { throw new Error('broken'); }), /broken/);
  });
  beginSpan('later', { 'esparse.shards': [1, 2] }, parent).end();
  await withRemoteParent((name) => headers[name], () => trace('remote', {}, async () => {}));
  await withRemoteParent(() => 'nonsense', () => trace('alone', {}, async () => {}));
  await flush();
`;

function run(endpoint: string): Promise<unknown> {
  const env = { ...process.env, OTEL_EXPORTER_OTLP_ENDPOINT: endpoint };
  return promisify(execFile)(process.execPath, ['--input-type=module', '-e', PROCESS], { env });
}

test('spans arrive at a collector, children of the span that began them, also in another process or context', async () => {
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request
      .setEncoding('utf8')
      .on('data', (text: string) => (body += text))
      .on('end', () => {
        bodies.push(body);
        response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
      });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  await run(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  server.close();

  expect(bodies.join('')).toContain('"esparse-test"');
  const spans = bodies.flatMap((body) =>
    (JSON.parse(body) as Export).resourceSpans.flatMap(({ scopeSpans }) =>
      scopeSpans.flatMap((scope) => scope.spans),
    ),
  );
  const named = (name: string) => spans.find((span) => span.name === name)!;
  const root = named('run');
  for (const name of ['block', 'later', 'remote']) {
    expect([name, named(name).traceId, named(name).parentSpanId]).toEqual([name, root.traceId, root.spanId]);
  }
  expect(root.attributes).toEqual([{ key: 'esparse.run', value: { stringValue: 'abc' } }]);
  expect(named('block').status).toMatchObject({ code: 2, message: 'broken' });
  expect(named('alone').traceId).not.toBe(root.traceId);
});

test('a collector that cannot be reached, or never answers, fails nothing, and is waited for no longer than 3 s', async () => {
  await run('http://127.0.0.1:1');
  const silent = createServer(() => undefined);
  await new Promise<void>((resolve) => {
    silent.listen(0, '127.0.0.1', resolve);
  });
  // The process ends by itself: else the time limit of this test ends it.
  await run(`http://127.0.0.1:${(silent.address() as AddressInfo).port}`);
  silent.closeAllConnections();
  silent.close();
});
