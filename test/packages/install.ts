import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** A program's output, and how it ended where it failed. */
export interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What npm may know of the machine that runs the tests: where the registry is, and what it has fetched already. */
const NPM_SETTINGS = /^npm_config_(registry|cache|userconfig|globalconfig|.*proxy|cafile)$/i;
/** What these tests must not take over from the run that they are in: npm's settings for this checkout, our own options. */
const OURS = /^(npm_|ESPARSE_|ONNXRUNTIME_|NODE_OPTIONS$|NX_|JEST_)/i;

/** The environment of somebody who has never seen this checkout, with `bin` first on the path. */
export function freshEnvironment(bin?: string): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => NPM_SETTINGS.test(name) || !OURS.test(name));
  const { PATH = '', ...rest } = Object.fromEntries(kept);
  const outside = PATH.split(':').filter((folder) => !folder.includes('node_modules'));
  return { ...rest, PATH: [...(bin === undefined ? [] : [bin]), ...outside].join(':') };
}

/** Where a program runs. */
export interface Place {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Runs a program of the path, whatever its exit code. */
export async function run(place: Place, program: string, ...args: string[]): Promise<Run> {
  try {
    return { code: 0, ...(await promisify(execFile)(program, args, { ...place, maxBuffer: 2 ** 26 })) };
  } catch (error) {
    const { code = -1, stdout = '', stderr = String(error) } = error as Partial<Run>;
    return { code, stdout, stderr };
  }
}

/** The same, for a program that must succeed. */
export async function mustRun(place: Place, program: string, ...args: string[]): Promise<Run> {
  const ended = await run(place, program, ...args);
  if (ended.code === 0) return ended;
  const { code, stdout, stderr } = ended;
  throw new Error(`${program} ${args.join(' ')} ended with ${code}: ${stderr}\n${stdout}`);
}

/** `npm install`, from the npm registry and what was fetched from it before. */
export function npmInstall(cwd: string, ...args: string[]): Promise<Run> {
  const quietly = ['--no-audit', '--no-fund', '--prefer-offline'];
  return mustRun({ cwd, env: freshEnvironment() }, 'npm', 'install', ...args, ...quietly);
}
