import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const COMMAND = path.join(import.meta.dirname, '../bin/esparse.mjs');
const BUNDLE = 'build/bundled/services/cli/dist/main.js';
const RECORD = 'dist/.tsbuildinfo';

let home: string;
const at = (...names: string[]) => path.join(home, ...names);

beforeEach(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'esparse-command-'));
  await mkdir(at('bin'));
  await cp(COMMAND, at('bin/esparse.mjs'));
});
afterEach(() => rm(home, { recursive: true, force: true }));

/** Puts a program there that prints its own place. */
async function put(file: string): Promise<void> {
  await mkdir(path.dirname(at(file)), { recursive: true });
  await writeFile(at(file), `console.log(${JSON.stringify(file)});`);
}

async function printed(): Promise<string> {
  return (await run(process.execPath, [at('bin/esparse.mjs')])).stdout.trim();
}

async function build(): Promise<void> {
  await put('dist/main.js');
  await writeFile(at(RECORD), '{}');
}

async function bundle(): Promise<void> {
  await put(BUNDLE);
  await writeFile(at('build/made-of.json'), JSON.stringify({ [RECORD]: (await stat(at(RECORD))).mtimeMs }));
}

test('the command is its bundle where that was made of what is built, and else what is built', async () => {
  await build();
  await expect(printed()).resolves.toBe('dist/main.js');
  await bundle();
  await expect(printed()).resolves.toBe(BUNDLE);
  await writeFile(at(RECORD), '{ "built": "again" }');
  await expect(printed()).resolves.toBe('dist/main.js');
  await bundle();
  await rm(at(RECORD));
  await expect(printed()).resolves.toBe('dist/main.js');
});

test('where it is installed there is no record, and the bundle is run', async () => {
  await build();
  await bundle();
  await rm(at('build/made-of.json'));
  await expect(printed()).resolves.toBe(BUNDLE);
});

test('in a checkout that is not built it says so, and ends with 2', async () => {
  await expect(printed()).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining('not built yet'),
  });
});
