import type { DeviceUsage } from '@esparse/engine';
import { LOOK_INTERVAL_MS, watchDevices } from './watch-devices.ts';

const usage = (device: string, readBytes: number): DeviceUsage => ({
  ...{ device, readBytes, memoryUsed: 10 + readBytes, memoryTotal: 1000, readBandwidth: 5000, graphs: 2 },
  launches: { 1: 3, 16: 1 },
});

test('a device is looked at every half second; what it read meanwhile is its rate', () => {
  let [time, looks] = [1e6, 0];
  let all = [usage('cuda:0', 100)];
  const states = watchDevices(
    () => {
      looks++;
      return all;
    },
    () => time,
  );
  expect(states()).toMatchObject([{ device: 'cuda:0', readRate: 0 }]);
  all = [usage('cuda:0', 1100)];
  time += LOOK_INTERVAL_MS - 1;
  expect(states()).toMatchObject([{ readBytes: 100 }]);
  expect(looks).toBe(1);
  time += 1;
  expect(states()).toMatchObject([{ readBytes: 1100, readRate: 2000, at: time }]);
  // At once, where a model has come or gone: then it may have read less than before.
  all = [usage('cuda:0', 0)];
  time += 1;
  expect(states(true)).toMatchObject([{ readRate: 0 }]);
});

test('two models on one device are one device, two devices are two', () => {
  const states = watchDevices(() => [usage('cuda:0', 5), usage('cuda:1', 7), usage('cuda:0', 20)]);
  expect(states()).toMatchObject([
    { device: 'cuda:0', readBytes: 25, memoryUsed: 30, graphs: 4, launches: { 1: 6, 16: 2 } },
    { device: 'cuda:1', readBytes: 7, graphs: 2 },
  ]);
});
