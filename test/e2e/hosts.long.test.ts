/** Several hosts, each a network namespace with an address of its own: mutual TLS, and a cable that is pulled. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { createAuthority } from '../support/certificates.ts';
import { esparse } from '../support/esparse.ts';
import { contentsOf, scratchFolder } from '../support/folders.ts';
import { canMakeHosts, makeNetwork, type Host, type Network } from '../support/hosts.ts';
import { ESPARSE } from '../support/repository.ts';
import { shardedRun, writeShardedModel } from '../support/sharded-model.ts';
import { startWorkerOn, type WorkerProcess } from '../support/workers.ts';

const at = scratchFolder();
const prune = () => ['prune', ...shardedRun(at('model'), 3), '--json'];

let network: Network | undefined;
let workers: WorkerProcess[] = [];
let credentials: string[] = [];
let targets: string[] = [];
let possible = false;

beforeAll(async () => {
  possible = await canMakeHosts();
  if (!possible) {
    process.stderr.write('SKIPPED: hosts need Linux, root and the command ip (iproute2)\n');
    return;
  }
  await writeShardedModel(at('model'));
  network = await makeNetwork(3);
  const authority = await createAuthority(at(), 'authority');
  workers = await Promise.all(
    network.hosts.slice(1).map(async ({ enter, address }, i) => {
      const { cert, key } = await authority.issue(`worker-${i}`, 1, address);
      return startWorkerOn(
        enter,
        ...['--listen', `${address}:7070`, '--threads', '1', '--root', at()],
        ...['--tls-cert', cert, '--tls-key', key, '--tls-client-ca', authority.ca],
      );
    }),
  );
  const { cert, key } = await authority.issue('pruner');
  credentials = ['--tls-ca', authority.ca, '--tls-cert', cert, '--tls-key', key];
  targets = workers.flatMap(({ address }) => ['--worker', address]);
});
afterAll(async () => {
  await Promise.all(workers.map(({ end }) => end('SIGKILL')));
  await network?.close();
});

/** Prunes on a host; `on` is called with each line that it prints. */
async function pruneOn({ enter }: Host, args: readonly string[], on: (line: string) => void) {
  const [command, ...rest] = [...enter, process.execPath, ESPARSE, ...prune(), ...args];
  const child = spawn(command!, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
  const errors: string[] = [];
  createInterface(child.stderr).on('line', (line) => errors.push(line));
  const exited = once(child, 'exit');
  for await (const line of createInterface(child.stdout)) on(line);
  const [code] = (await exited) as [number | null];
  return { code, stderr: errors.join('\n') };
}

test('a cable that is pulled in the middle of a block costs time, and not a bit of the store', async () => {
  if (!possible) return;
  const [pruner, , second] = network!.hosts;
  const local = await esparse(...prune(), '--store', at('local'));
  expect(local.code).toBe(0);

  let cut: Promise<void> | undefined;
  const retries: string[] = [];
  const outcome = await pruneOn(pruner!, ['--store', at('hosts'), ...targets, ...credentials], (line) => {
    if (line.includes('"block":2,"phase":"calibrate"')) cut ??= second!.cut();
    if (line.includes('"event":"retry"')) retries.push(line);
  });
  await cut;
  expect(outcome).toEqual({ code: 0, stderr: '' });
  expect(cut).toBeDefined();
  expect(retries.join()).toContain(second!.address);
  expect(await contentsOf(at('hosts'))).toEqual(await contentsOf(at('local')));
  await second!.mend();
});

test('a pruner without a certificate is refused, and the message says what to do', async () => {
  if (!possible) return;
  const [pruner] = network!.hosts;
  for (const options of [['--insecure'], credentials.slice(0, 2)]) {
    const { code, stderr } = await pruneOn(
      pruner!,
      ['--store', at('refused'), ...targets.slice(0, 2), ...options],
      () => undefined,
    );
    expect(code).not.toBe(0);
    expect(stderr).toContain(workers[0]!.address);
  }
});
