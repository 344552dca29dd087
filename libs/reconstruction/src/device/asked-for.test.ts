import { askedDevice, type AskedDevice } from '../testing/asked-device.ts';
import { refineOnDevice } from './refine.ts';
import { withRoom, type Room } from './room.ts';
import { takeRows, type DeviceRows } from './rows.ts';
import { survivorsOnDevice } from './survivors.ts';

const [ROWS, COLS] = [6, 512];

/** Works with rows of a linear on a device of which no row is solved before it has taken so many steps. */
async function onDevice<R>(
  solvedAfter: number,
  work: (asked: AskedDevice, at: DeviceRows, room: Room) => Promise<R>,
) {
  /** Steps that were asked for when the host asked to look. */
  const looks: number[] = [];
  const asked = askedDevice((to) => {
    if (!(to instanceof Float64Array)) return;
    looks.push(steps());
    // Goals, energies, and that none failed.
    to.fill(0);
    if (steps() < solvedAfter) to.fill(1, ROWS, 2 * ROWS);
  });
  const steps = () => asked.launched.get('survivors_step') ?? 0;
  const result = await withRoom(asked.device, 'a test', (room) =>
    work(asked, takeRows(room, { rows: ROWS, cols: COLS }, false), room),
  );
  return { result, looks, asked };
}

const system = { hessian: { diagonal: new Float32Array(COLS).fill(1), multiply: () => Promise.resolve() } };

function solving(steps: number, solvedAfter: number, times = 1) {
  return onDevice(solvedAfter, async (asked, at, room) => {
    const solve = survivorsOnDevice(asked.device, { ...system, damping: 1, matrix: 8 }, at, room);
    for (let time = 0; time < times; time++) await solve(at.weights, { steps, count: ROWS });
    return asked.launched.get('survivors_step') ?? 0;
  });
}

test.each([1, 3, 4, 7, 8, 30, 64])(
  'of %i steps the device takes all where no row is solved',
  async (steps) => {
    expect((await solving(steps, Infinity)).result).toBe(steps);
  },
);

test('a device has the steps that come next before the host has looked at those before, and few', async () => {
  const asked = askedDevice(() => undefined);
  const ahead: number[] = [];
  let seen = 0;
  const steps = () => asked.launched.get('survivors_step') ?? 0;
  const device = {
    ...asked.device,
    async downloadLater(from: number, to: ArrayBufferView) {
      const before = steps();
      (to as Float64Array).fill(0).fill(1, ROWS, 2 * ROWS);
      await asked.device.downloadLater(from, new Uint8Array(1));
      ahead.push(steps() - before);
      seen = before;
    },
  };
  await withRoom(device, 'a test', async (room) => {
    const at = takeRows(room, { rows: ROWS, cols: COLS }, false);
    await survivorsOnDevice(
      device,
      { ...system, damping: 1, matrix: 8 },
      at,
      room,
    )(at.weights, {
      ...{ steps: 32, count: ROWS },
    });
  });
  expect(seen).toBe(32);
  // Behind the last look there is nothing.
  expect(ahead.slice(0, -1).every((more) => more > 0 && more <= 4)).toBe(true);
});

test('rows that are solved take no more steps than one look costs', async () => {
  const { result, looks } = await solving(64, 10);
  expect(looks).toEqual([4, 8, 12]);
  expect(result).toBe(16);
});

test('the next rows are asked for most of the steps that those before took, before the host looks', async () => {
  const { result, looks } = await solving(64, Infinity, 2);
  expect(looks.slice(0, 16)).toEqual(Array.from({ length: 16 }, (_, i) => 4 * (i + 1)));
  expect(looks.slice(16).map((at) => at - 64)).toEqual([48, 52, 56, 60, 64]);
  expect(result).toBe(128);
});

test('solving again and again takes the host a call for some steps, and recordings go back', async () => {
  const [once, often] = [await solving(64, Infinity), await solving(64, Infinity, 11)];
  expect(often.result).toBe(11 * 64);
  // What a solution begins with, and a replay for each look.
  expect((often.asked.calls - once.asked.calls) / 10).toBeLessThanOrEqual(64 / 4 + 3);
  expect(often.asked.recordings).toBe(0);
});

test('a sweep that has been made once takes the host one call', async () => {
  const sweeping = (sweeps: number) =>
    onDevice(0, async (asked, at, room) => {
      const pattern = { keep: 2, group: 4 };
      const descend = await refineOnDevice(
        asked.device,
        { ...{ matrix: 8, damping: 1, pattern, channels: 16 } },
        at,
        room,
      );
      await descend!({ sweeps });
    });
  const [one, four] = [await sweeping(1), await sweeping(4)];
  expect(four.asked.launched.get('descent_step')).toBe(4 * one.asked.launched.get('descent_step')!);
  expect(four.asked.calls - one.asked.calls).toBe(3);
  expect(four.asked.recordings).toBe(0);
});
