import { Command, CommanderError, Option } from 'commander';
import { neighboursOf, reportUnknownOptionsFirst } from './unknown.ts';

/** What a command with two options that must be given prints, and whether it has run. */
function printed(...args: string[]): string {
  let output = '';
  const command = new Command('prune')
    .addOption(new Option('--model <dir>').env('TEST_NO_SUCH_MODEL').makeOptionMandatory())
    .addOption(new Option('--calibration <file>').makeOptionMandatory())
    .option('--samples <n>')
    .option('--seqlen <n>')
    .exitOverride()
    .configureOutput({ writeErr: (text) => (output += text) })
    .action(() => {
      output += 'ran';
    });
  reportUnknownOptionsFirst(command);
  try {
    command.parse(args, { from: 'user' });
  } catch (error) {
    expect(error).toBeInstanceOf(CommanderError);
  }
  return output;
}

test('a misspelt option is reported before the one that it leaves missing, with the right neighbour', () => {
  for (const misspelt of ['--modle', '--modle=x', '--mode', '--mdoel']) {
    expect(printed(misspelt, 'x', '--calibration', 'c')).toMatch(
      /^error: unknown option '--m[^']*'\n\(Did you mean --model\?\)\n$/,
    );
  }
});

test('an option that is missing is reported with its variable where all others are known', () => {
  expect(printed('--calibration', 'c')).toBe(
    "error: required option '--model <dir>' not specified, nor its variable TEST_NO_SUCH_MODEL\n",
  );
  expect(printed('--model', 'm', '--calibration', 'c')).toBe('ran');
});

test('the beginning of an option stands for it, and letters changed for the nearest one', () => {
  const known = [
    '--model',
    '--calibration',
    '--samples',
    '--seqlen',
    '--seed',
    '--max-sequences',
    '--max-context',
  ];
  expect(neighboursOf('--calib', known)).toEqual(['--calibration']);
  expect(neighboursOf('--max', known)).toEqual(['--max-sequences', '--max-context']);
  expect(neighboursOf('--sample', known)).toEqual(['--samples']);
  expect(neighboursOf('--sampels', known)).toEqual(['--samples']);
  expect(neighboursOf('--seq-len', known)).toEqual(['--seqlen']);
  expect(neighboursOf('--callibration', known)).toEqual(['--calibration']);
  for (const far of ['--xyz', '--threshold', '--o', '--output-directory']) {
    expect(neighboursOf(far, known)).toEqual([]);
  }
});
