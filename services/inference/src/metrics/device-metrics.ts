import { Counter, Gauge, type Registry } from 'prom-client';
import type { DeviceState } from '../engine/messages.ts';

/** A device that was not looked at for so long has no steps: it reads nothing. */
const IDLE_MS = 2000;

/** Adds what is known of GPUs to registries; nothing where there is none. */
export function deviceMetrics(
  registers: Registry[],
  devices: () => readonly DeviceState[],
  now: () => number = () => performance.timeOrigin + performance.now(),
): void {
  const gauge = (name: string, help: string, value: (device: DeviceState) => number) =>
    new Gauge({
      name: `esparse_gpu_${name}`,
      help,
      registers,
      labelNames: ['device'],
      collect() {
        this.reset();
        for (const device of devices()) this.set({ device: device.device }, value(device));
      },
    });

  gauge('memory_bytes', 'Memory of the GPU.', ({ memoryTotal }) => memoryTotal);
  gauge(
    'memory_used_bytes',
    'Of it, what was taken since the server opened it.',
    ({ memoryUsed }) => memoryUsed,
  );
  gauge(
    'read_bandwidth_bytes',
    'Bytes that it can read in a second, by the clock and width of its memory.',
    ({ readBandwidth }) => readBandwidth,
  );
  gauge(
    'read_bandwidth_share',
    'Share of it that weights, keys and values took, in the last half second of steps.',
    ({ readRate, readBandwidth, at }) =>
      readBandwidth > 0 && now() - at < IDLE_MS ? readRate / readBandwidth : 0,
  );
  gauge('graphs', 'Graphs of kernels that were made.', ({ graphs }) => graphs);
  new Counter({
    name: 'esparse_gpu_read_bytes_total',
    help: 'Bytes of weights, keys and values that steps have read.',
    registers,
    labelNames: ['device'],
    collect() {
      this.reset();
      for (const { device, readBytes } of devices()) this.inc({ device }, readBytes);
    },
  });
  new Counter({
    name: 'esparse_gpu_graph_launches_total',
    help: 'How often a graph ran, by the most tokens that it takes.',
    registers,
    labelNames: ['device', 'bucket'],
    collect() {
      this.reset();
      for (const { device, launches } of devices()) {
        for (const [bucket, count] of Object.entries(launches)) this.inc({ device, bucket }, count);
      }
    },
  });
}
