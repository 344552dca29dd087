import { readFileSync } from 'node:fs';
import path from 'node:path';
import { DockerfileParser, Keyword, type Instruction } from 'dockerfile-ast';
import type { IDeployment } from 'kubernetes-models/apps/v1';
import { createProgram } from '@esparse/cli';
import { DEPLOY, plainManifests } from '../support/manifests.ts';
import { REPOSITORY } from '../support/repository.ts';

const dockerfile = DockerfileParser.parse(readFileSync(path.join(DEPLOY, 'Dockerfile'), 'utf8'));
const packageJson = JSON.parse(readFileSync(path.join(REPOSITORY, 'package.json'), 'utf8')) as {
  readonly workspaces: readonly string[];
};

/** The instructions of a target, those of the stages that it stands on first. */
function instructionsOf(stage: string): Instruction[] {
  const froms = dockerfile.getFROMs();
  const from = froms.find((candidate) => candidate.getBuildStage() === stage);
  if (from === undefined) return [];
  const next = froms[froms.indexOf(from) + 1]?.getRange().start.line ?? Infinity;
  const own = dockerfile.getInstructions().filter((instruction) => {
    const { line } = instruction.getRange().start;
    return line > from.getRange().start.line && line < next;
  });
  return [...instructionsOf(from.getImage()!), ...own];
}

/** The arguments of a target's last instruction of a kind. */
function lastOf(stage: string, keyword: Keyword): string[] {
  const found = instructionsOf(stage).findLast(
    (instruction) => instruction.getKeyword() === (keyword as string),
  );
  return found?.getArguments().map((argument) => argument.getValue().replaceAll(/[[\],"]/g, '')) ?? [];
}

const TARGETS = ['worker', 'worker-gpu', 'pruner', 'inference'];

test.each(TARGETS)(
  'the image %s runs esparse, as a user that is not root, and that is a number',
  (target) => {
    expect(lastOf(target, Keyword.ENTRYPOINT)).toEqual(['esparse']);
    expect(lastOf(target, Keyword.USER)).toEqual(['1000:1000']);
  },
);

test('what an image runs by default is a command of esparse', async () => {
  const commands = (await createProgram()).commands.map((command) => command.name());
  for (const target of TARGETS) {
    const [command] = lastOf(target, Keyword.CMD);
    expect(commands).toContain(command);
  }
});

test.each([
  ['worker', 'workers'],
  ['inference', 'inference'],
])('the image %s exposes the ports of its manifest', (target, folder) => {
  const manifests = plainManifests(path.join(DEPLOY, folder));
  const { spec } = manifests.find(({ kind }) => kind === 'Deployment') as IDeployment;
  const ports = spec!.template.spec!.containers[0]!.ports!.map(({ containerPort }) => String(containerPort));
  expect(lastOf(target, Keyword.EXPOSE)).toEqual(ports);
});

test('every stage that copies or stands on another names one before it, or the base image', () => {
  const stages: string[] = [];
  for (const instruction of dockerfile.getInstructions()) {
    const [argument] = instruction.getArguments().map((value) => value.getValue());
    if (instruction.getKeyword() === 'FROM') {
      expect(['${NODE_IMAGE}', ...stages]).toContain(argument);
      stages.push(instruction.getArguments().at(-1)!.getValue());
    }
    const from = /--from=(\S+)/.exec(instruction.getRawArgumentsContent() ?? '')?.[1];
    if (from !== undefined) expect(stages).toContain(from);
  }
});

test('the build sees the package.json of every workspace, and nothing that was built or installed here', () => {
  const ignored = readFileSync(path.join(REPOSITORY, '.dockerignore'), 'utf8').split('\n');
  for (const name of ['**/node_modules', '**/dist', '**/build', '.git']) expect(ignored).toContain(name);
  for (const workspace of packageJson.workspaces) {
    const folder = workspace.replace('/*', '');
    if (ignored.includes(folder)) expect(ignored).toContain(`!${folder}/package.json`);
  }
});
