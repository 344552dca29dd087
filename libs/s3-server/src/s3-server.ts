import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

const SCRIPT = path.join(import.meta.dirname, '../bin/s3-server.mjs');

export interface S3ServerOptions {
  /**
   * Whether it honours conditions on writes: s3rver does not, they are added in front of it.
   * @default true
   */
  readonly conditional?: boolean;
}

/** What goes wrong with the next requests whose method and decoded URL match. */
export interface S3Fault {
  readonly method?: string;
  /** A regular expression. */
  readonly url: string;
  readonly times: number;
  /** Answered with this status and code of S3. */
  readonly status?: number;
  readonly code?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The connection ends before anything is done, or after it was done and before it is answered. */
  readonly reset?: 'before' | 'after';
  /** The connection ends after so many bytes of the body. */
  readonly cutAfter?: number;
}

/** A server that is running. */
export interface S3Server {
  /** Its bucket, empty at first. */
  readonly bucket: string;
  /** Where its objects lie, as files of s3rver. */
  readonly directory: string;
  /** The variables by which clients find it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Makes faults from now on, instead of those before. */
  fault(...faults: readonly S3Fault[]): Promise<void>;
  /** The requests since this was last asked for: method and decoded URL. */
  requests(): Promise<string[]>;
  /** Ends the process at once; its objects stay. What it was in the middle of writing may be there in part. */
  kill(): Promise<void>;
  /** Starts it again after `kill`, at the same address and without faults. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a server on a free port of loopback, with a bucket. */
export async function startS3Server({ conditional = true }: S3ServerOptions = {}): Promise<S3Server> {
  const directory = await mkdtemp(path.join(tmpdir(), 'esparse-s3-'));
  const bucket = 'test-bucket';
  let { child, port } = await launch({ directory, bucket, conditional, port: 0 });
  let asked: Promise<unknown> = Promise.resolve();
  const ask = (message: object): Promise<string[]> => {
    const answer = asked.then(async () => {
      child.send(message);
      const [reply] = (await once(child, 'message')) as [{ answer: string[] }];
      return reply.answer;
    });
    asked = answer;
    return answer;
  };
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };
  return {
    bucket,
    directory,
    environment: {
      AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
      AWS_ACCESS_KEY_ID: 'S3RVER',
      AWS_SECRET_ACCESS_KEY: 'S3RVER',
      AWS_REGION: 'us-east-1',
      // Nothing of the machine that runs the tests.
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      AWS_EC2_METADATA_DISABLED: 'true',
    },
    async fault(...faults) {
      await ask({ set: faults });
    },
    requests: () => ask({ take: true }),
    kill,
    async restart() {
      ({ child, port } = await launch({ directory, bucket, conditional, port }));
    },
    async stop() {
      await kill();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** What the script is started with. */
interface Launch {
  readonly directory: string;
  readonly bucket: string;
  readonly conditional: boolean;
  /** 0 for a free one. */
  readonly port: number;
}

async function launch(options: Launch): Promise<{ child: ChildProcess; port: number }> {
  const child = fork(SCRIPT, [JSON.stringify(options)], {
    // s3rver's tokens of long lists are made with a cipher that OpenSSL 3 counts as legacy.
    execArgv: ['--openssl-legacy-provider', '--no-warnings'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const [{ port }] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`the S3 server ended with ${String(code)}`);
    }),
  ])) as [{ port: number }];
  return { child, port };
}
