import { Registry } from 'prom-client';
import { deviceMetrics } from './device-metrics.ts';

test('a GPU tells its memory, the share of its read bandwidth, and the graphs that it runs; without one nothing is told', async () => {
  const registry = new Registry();
  let time = 1000;
  const device = {
    ...{
      device: 'cuda:1',
      memoryUsed: 300,
      memoryTotal: 1000,
      readBytes: 5e9,
      readBandwidth: 4e9,
      graphs: 3,
    },
    ...{ launches: { 1: 7, 16: 2 }, readRate: 3e9, at: 900 },
  };
  let devices = [device];
  deviceMetrics(
    [registry],
    () => devices,
    () => time,
  );
  const lines = async () =>
    (await registry.metrics()).split('\n').filter((line) => line.startsWith('esparse'));
  const expected = [
    'esparse_gpu_memory_bytes{device="cuda:1"} 1000',
    'esparse_gpu_memory_used_bytes{device="cuda:1"} 300',
    'esparse_gpu_read_bandwidth_bytes{device="cuda:1"} 4000000000',
    'esparse_gpu_read_bandwidth_share{device="cuda:1"} 0.75',
    'esparse_gpu_graphs{device="cuda:1"} 3',
    'esparse_gpu_read_bytes_total{device="cuda:1"} 5000000000',
    'esparse_gpu_graph_launches_total{device="cuda:1",bucket="1"} 7',
    'esparse_gpu_graph_launches_total{device="cuda:1",bucket="16"} 2',
  ];
  expect(await lines()).toEqual(expected);
  expect(await lines()).toEqual(expected); // reading changes nothing
  time = 4000; // no step for long
  expect((await lines())[3]).toBe('esparse_gpu_read_bandwidth_share{device="cuda:1"} 0');
  devices = [];
  expect(await lines()).toEqual([]);
});
