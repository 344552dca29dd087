import { request } from 'node:http';
import { hostGuard } from '@esparse/protocol';
import { createWorkerMetrics } from './metrics.ts';
import { serveMetrics } from './metrics-server.ts';

test('metrics show what was counted, and health whether the worker takes calls', async () => {
  const metrics = createWorkerMetrics({ waiting: () => 1 });
  let serving = true;
  const server = await serveMetrics(metrics, () => serving, '127.0.0.1:0', hostGuard([]));
  const get = async (path: string, method = 'GET') => {
    const response = await fetch(`http://${server.address}${path}`, { method });
    return { status: response.status, text: await response.text() };
  };
  metrics.call('AdvanceShard', 'OK', 0.2);
  metrics.call('AdvanceShard', 'UNAVAILABLE', 0.2);
  metrics.tile(1000);
  metrics.tile(24);
  metrics.sequence(7);
  const { text } = await get('/metrics');
  expect(text).toContain('esparse_worker_calls_total{method="AdvanceShard",status="OK"} 1');
  expect(text).toContain('esparse_worker_calls_total{method="AdvanceShard",status="UNAVAILABLE"} 1');
  expect(text).toContain('esparse_worker_call_seconds_count{method="AdvanceShard"} 2');
  expect(text).toContain('esparse_worker_tiles_sent_total 2');
  expect(text).toContain('esparse_worker_tile_bytes_sent_total 1024');
  expect(text).toContain('esparse_worker_sequences_total 1');
  expect(text).toContain('esparse_worker_block 7');
  expect(text).toContain('esparse_worker_waiting_calls 1');
  expect(await get('/health')).toMatchObject({ status: 200 });
  const misdirected = await new Promise((resolve) => {
    request(`http://${server.address}/metrics`, { headers: { host: 'attacker.example' } }, (answer) => {
      resolve(answer.resume().statusCode);
    }).end();
  });
  expect(misdirected).toBe(421);
  serving = false;
  expect(await get('/health')).toMatchObject({ status: 503 });
  expect(await get('/nowhere')).toMatchObject({ status: 404 });
  expect(await get('/metrics', 'POST')).toMatchObject({ status: 405 });
  await expect(serveMetrics(metrics, () => true, server.address, hostGuard([]))).rejects.toMatchObject({
    kind: 'usage',
  });
  await server.close();
});
