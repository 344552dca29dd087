import { Command, Option } from 'commander';
import { readSwitches } from './switches.ts';

afterEach(() => {
  delete process.env.ESPARSE_TEST_SWITCH;
});

function parsed(...args: string[]): unknown {
  const command = new Command('test')
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
    .addOption(new Option('--open').default(false).env('ESPARSE_TEST_SWITCH'));
  readSwitches(command);
  return command.parse(args, { from: 'user' }).opts().open;
}

test.each(['true', 'TRUE', '1', 'yes', 'on'])('a variable that is %s switches its option on', (value) => {
  process.env.ESPARSE_TEST_SWITCH = value;
  expect(parsed()).toBe(true);
});

test.each(['false', 'False', '0', 'no', 'off', ''])(
  'one that is %j does not, and a flag still does',
  (value) => {
    process.env.ESPARSE_TEST_SWITCH = value;
    expect(parsed()).toBe(false);
    process.env.ESPARSE_TEST_SWITCH = value;
    expect(parsed('--open')).toBe(true);
  },
);

test('one that is neither is refused by name', () => {
  process.env.ESPARSE_TEST_SWITCH = 'maybe';
  expect(() => parsed()).toThrow(/'--open' value 'maybe' from env 'ESPARSE_TEST_SWITCH'.* true or false/);
});
