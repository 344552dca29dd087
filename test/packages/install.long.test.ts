import { cp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { packAll } from '../../scripts/pack/pack.ts';
import { scratchFolder } from '../support/folders.ts';
import { EXAMPLE_CALIBRATION, EXAMPLE_MODEL, REPOSITORY } from '../support/repository.ts';
import { freshEnvironment, mustRun, npmInstall, run } from './install.ts';

/** npm unpacks some 500 MB, twice. */
const MINUTES = 60_000;

const scratch = scratchFolder();
let tarballs: readonly string[];

beforeAll(async () => {
  tarballs = [...packAll(REPOSITORY, scratch('packages')).values()];
  await mkdir(scratch('empty'));
  await npmInstall(scratch('empty'), '--global', '--prefix', scratch('prefix'), ...tarballs);
}, 5 * MINUTES);

const installed = (...names: string[]) => scratch('prefix/lib/node_modules/@esparse', ...names);

test(
  'esparse demo runs from an empty folder, on the native kernels, and writes nowhere but below it',
  async () => {
    const place = { cwd: scratch('empty'), env: freshEnvironment(scratch('prefix/bin')) };
    const before = await readdir(installed('cli'), { recursive: true });
    const { stdout, stderr } = await mustRun(place, 'esparse', 'demo');
    expect(stderr).not.toContain('ESPARSE_KERNELS');
    expect(stdout).toMatch(/perplexity +6\.20 +9\.99/);
    expect(stdout).toContain('> Once upon a time');
    expect(stdout).toContain('Next: esparse serve --store out/demo.zarr');
    expect(await readdir(scratch('empty/out'))).toEqual(['demo.html', 'demo.zarr']);
    expect(await readdir(installed('cli'), { recursive: true })).toEqual(before);
  },
  5 * MINUTES,
);

test(
  'a machine without a compiler, for which no addon was packed, is told so and has the reference kernels',
  async () => {
    await cp(installed('kernels'), scratch('kernels'), { recursive: true });
    await rm(scratch('kernels/build'), { recursive: true });
    const place = { cwd: scratch('kernels'), env: { ...freshEnvironment(), CXX: 'false' } };
    const { stderr } = await mustRun(place, 'node', 'scripts/install-addon.mjs');
    expect(stderr).toContain('the native kernels could not be built');
    expect(existsSync(scratch('kernels/build'))).toBe(false);
    const script =
      "import { widen } from './dist/index.js'; console.log((await widen('bf16', Uint16Array.of(0x3fc0)))[0]);";
    const { stdout, stderr: warned } = await mustRun(place, 'node', '--input-type=module', '-e', script);
    expect(stdout.trim()).toBe('1.5');
    expect(warned).toContain('ESPARSE_KERNELS');
  },
  2 * MINUTES,
);

describe('a plug-in in a project of its own', () => {
  const project = (...names: string[]) => scratch('project', ...names);
  const place = (bin = project('node_modules/.bin')) => ({ cwd: project(), env: freshEnvironment(bin) });

  beforeAll(async () => {
    await mkdir(project());
    await writeFile(project('package.json'), '{ "name": "mine", "private": true, "type": "module" }');
    await writeFile(project('tsconfig.json'), JSON.stringify({ compilerOptions: COMPILER_OPTIONS }));
    await writeFile(project('mine.ts'), await exampleOf('api'));
    await writeFile(project('mine.test.ts'), await exampleOf('testing'));
    await cp(path.join(REPOSITORY, 'examples/plugins'), project('examples'), { recursive: true });
    const { devDependencies } = JSON.parse(await readFile(path.join(REPOSITORY, 'package.json'), 'utf8')) as {
      readonly devDependencies: Readonly<Record<string, string>>;
    };
    const tools = ['typescript', '@types/node'].map((name) => `${name}@${devDependencies[name]!}`);
    await npmInstall(project(), ...tarballs, ...tools);
  }, 5 * MINUTES);

  test(
    'compiles by the strictest rules with all examples, the declarations of esparse included, and its tests run',
    async () => {
      await mustRun(place(), 'tsc');
      await mustRun(place(), 'node', '--test', 'dist/mine.test.js', 'dist/examples/steady/steady.test.js');
    },
    3 * MINUTES,
  );

  test(
    'is refused by the compiler where it is wrong',
    async () => {
      const wrong = (await exampleOf('api')).replace('{ amplitude }', '{ entropy }');
      await writeFile(project('wrong.ts'), wrong);
      const { code, stdout } = await run(place(), 'tsc', '--skipLibCheck', '--noEmit');
      await rm(project('wrong.ts'));
      expect(code).not.toBe(0);
      expect(stdout).toContain('wrong.ts');
      expect(stdout).toContain("Property 'entropy' does not exist");
    },
    3 * MINUTES,
  );

  test(
    'is run by the command of the project, and by the one of the machine',
    async () => {
      for (const [bin, store] of [
        [project('node_modules/.bin'), 'out/own.zarr'],
        [scratch('prefix/bin'), 'out/machine.zarr'],
      ] as const) {
        const args = `--pipeline ./mine.ts --samples 4 --seqlen 64 --store ${store} --json`.split(' ');
        const { stdout } = await mustRun(
          place(bin),
          'esparse',
          'prune',
          ...['--model', EXAMPLE_MODEL, '--calibration', EXAMPLE_CALIBRATION, ...args],
        );
        expect(JSON.parse(stdout.trim().split('\n').at(-1)!)).toMatchObject({ blocks: 4 });
      }
    },
    3 * MINUTES,
  );
});

const COMPILER_OPTIONS = {
  module: 'NodeNext',
  target: 'ES2023',
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  rewriteRelativeImportExtensions: true,
  skipLibCheck: false,
  declaration: true,
  types: ['node'],
  outDir: 'dist',
};

/** The code of a package's README, as somebody who tries it copies it. */
async function exampleOf(library: string): Promise<string> {
  const readme = await readFile(path.join(REPOSITORY, 'libs', library, 'README.md'), 'utf8');
  return /```ts\n(.*?)```/s.exec(readme)![1]!;
}
