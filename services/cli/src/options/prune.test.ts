import { planCommand } from '../commands/plan.ts';
import { pruneCommand } from '../commands/prune.ts';

test('plan takes every option of prune, in the same words, and requires neither text nor store', () => {
  const facts = (command: ReturnType<typeof planCommand>) =>
    new Map(command.options.map(({ flags, description, envVar }) => [flags, { description, envVar }]));
  const [prune, plan] = [facts(pruneCommand()), facts(planCommand())];
  for (const [flags, fact] of prune)
    if (!flags.startsWith('--json')) expect([flags, plan.get(flags)]).toEqual([flags, fact]);
  const required = planCommand().options.filter(({ mandatory }) => mandatory);
  expect(required.map(({ long }) => long)).toEqual(['--model']);
});
