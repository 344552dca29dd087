import { LIMITS } from './limits.ts';
import { compileEmulation } from './testing/emulation.ts';

test('plans of the decode linear read each slice of each panel once; their rings, and CTAs of attention, fit', () => {
  const plan = compileEmulation('plan');
  const { status, stdout } = plan.run([], new Uint8Array());
  plan.remove();
  expect(stdout.toString()).toMatch(/^\d{4,} plans\n/);
  expect(status).toBe(0);
  // What the host refuses is all that there are no plans for.
  for (const [image, kilobytes] of [
    [80, 163],
    [90, 227],
  ] as const) {
    const found = new RegExp(`^${kilobytes} KB: hidden sizes to (\\d+), inner sizes to (\\d+)$`, 'm').exec(
      stdout.toString(),
    );
    expect(LIMITS[image].hidden).toBeLessThanOrEqual(Number(found?.[1]));
    expect(LIMITS[image].inputs).toBe(Number(found?.[2]));
  }
});
