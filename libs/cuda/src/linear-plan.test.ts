import { compileEmulation } from './testing/emulation.ts';

test('plans of the decode linear read each slice of each panel once, and their rings fit', () => {
  const plan = compileEmulation('plan');
  const { status, stdout } = plan.run([], new Uint8Array());
  plan.remove();
  expect(stdout.toString()).toMatch(/^\d{4,} plans\n$/);
  expect(status).toBe(0);
});
