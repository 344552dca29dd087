import { Command } from 'commander';
import { SOFTWARE_VERSION } from '@esparse/protocol';
import { evalCommand } from './commands/eval.ts';
import { generateCommand } from './commands/generate.ts';
import { inspectCommand } from './commands/inspect.ts';
import { pruneCommand } from './commands/prune.ts';
import { serveCommand } from './commands/serve.ts';
import { verifyCommand } from './commands/verify.ts';
import { workerCommand } from './commands/worker.ts';

/** The `esparse` command. Errors are thrown, not exited on. */
export function createProgram(): Command {
  const program = new Command('esparse')
    .description(
      'Prunes large language models to N:M sparsity, one block at a time (E-Sparse, arXiv 2310.15929).',
    )
    .version(SOFTWARE_VERSION)
    .showHelpAfterError('(see esparse COMMAND --help)');
  const commands = [
    pruneCommand(),
    workerCommand(),
    serveCommand(),
    generateCommand(),
    evalCommand(),
    inspectCommand(),
    verifyCommand(),
  ];
  for (const command of commands) program.addCommand(command);
  for (const command of [program, ...commands]) command.exitOverride();
  return program;
}
