import { createRequire } from 'node:module';
import { Command } from 'commander';
import { readSwitches } from './options/switches.ts';

/** Each command in a module of its own, loaded when it is wanted: what prunes is not loaded to generate. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  demo: async () => (await import('./commands/demo.ts')).demoCommand(),
  plan: async () => (await import('./commands/plan.ts')).planCommand(),
  pipelines: async () => (await import('./commands/pipelines.ts')).pipelinesCommand(),
  graph: async () => (await import('./commands/graph.ts')).graphCommand(),
  prune: async () => (await import('./commands/prune.ts')).pruneCommand(),
  worker: async () => (await import('./commands/worker.ts')).workerCommand(),
  eval: async () => (await import('./commands/eval.ts')).evalCommand(),
  generate: async () => (await import('./commands/generate.ts')).generateCommand(),
  export: async () => (await import('./commands/export.ts')).exportCommand(),
  tune: async () => (await import('./commands/tune.ts')).tuneCommand(),
  'import-weights': async () => (await import('./commands/import-weights.ts')).importWeightsCommand(),
  serve: async () => (await import('./commands/serve.ts')).serveCommand(),
  gc: async () => (await import('./commands/gc.ts')).gcCommand(),
  inspect: async () => (await import('./commands/inspect.ts')).inspectCommand(),
  ui: async () => (await import('./commands/ui.ts')).uiCommand(),
  report: async () => (await import('./commands/report.ts')).reportCommand(),
  verify: async () => (await import('./commands/verify.ts')).verifyCommand(),
};

const { version } = createRequire(import.meta.url)('../package.json') as { readonly version: string };

/**
 * The `esparse` command. Errors are thrown, not exited on.
 *
 * @param wanted the command that will be run: the others are then left out. @default every command, as help shows them
 */
export async function createProgram(wanted?: string): Promise<Command> {
  const program = new Command('esparse')
    .description(
      'Prunes large language models to N:M sparsity, one block at a time (E-Sparse, arXiv 2310.15929).',
    )
    .version(version)
    .showHelpAfterError('(see esparse --help)');
  const names = wanted !== undefined && Object.hasOwn(COMMANDS, wanted) ? [wanted] : Object.keys(COMMANDS);
  for (const name of names) program.addCommand(await COMMANDS[name]!());
  for (const command of program.commands) {
    command.showHelpAfterError(`(see esparse ${command.name()} --help)`).exitOverride();
  }
  program.exitOverride();
  program.hook('preSubcommand', (_, command) => {
    readSwitches(command);
  });
  return program;
}
