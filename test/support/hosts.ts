import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A host of a network of its own: a network namespace with an address. */
export interface Host {
  readonly address: string;
  /** What to put before a command so that it runs there. */
  readonly enter: readonly string[];
  /** Pulls its cable: packets are lost in both directions, and neither side is notified. */
  cut(): Promise<void>;
  mend(): Promise<void>;
}

export interface Network {
  readonly hosts: readonly Host[];
  close(): Promise<void>;
}

/** Whether this system lets us make network namespaces: Linux, root, and `ip`. */
export async function canMakeHosts(): Promise<boolean> {
  const name = `esparse-try-${process.pid}`;
  try {
    await run('ip', ['netns', 'add', name]);
    await run('ip', ['netns', 'del', name]);
    return true;
  } catch {
    return false;
  }
}

/**
 * Makes hosts with real addresses, joined by a bridge in a namespace of its own: nothing of the system's own network is
 * touched. All see the same file system, as with a shared volume.
 */
export async function makeNetwork(count: number): Promise<Network> {
  const prefix = `esparse-${process.pid}`;
  const hub = `${prefix}-hub`;
  const names = Array.from({ length: count }, (_, i) => `${prefix}-${i}`);
  const ip = async (...args: string[]) => {
    await run('ip', args);
  };
  const close = async () => {
    for (const name of [...names, hub]) await ip('netns', 'del', name).catch(() => undefined);
  };
  try {
    await ip('netns', 'add', hub);
    await ip('-n', hub, 'link', 'add', 'bridge', 'type', 'bridge');
    await ip('-n', hub, 'link', 'set', 'bridge', 'up');
    const hosts: Host[] = [];
    for (const [i, name] of names.entries()) {
      const address = `10.77.0.${i + 1}`;
      const cable = `host${i}`;
      await ip('netns', 'add', name);
      await ip('-n', hub, 'link', 'add', cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
      await ip('-n', hub, 'link', 'set', cable, 'master', 'bridge', 'up');
      await ip('-n', name, 'address', 'add', `${address}/24`, 'dev', 'eth0');
      await ip('-n', name, 'link', 'set', 'eth0', 'up');
      await ip('-n', name, 'link', 'set', 'lo', 'up');
      hosts.push({
        address,
        enter: ['ip', 'netns', 'exec', name],
        // Taken off the bridge, the cable has no other end: the host's own link stays up.
        cut: () => ip('-n', hub, 'link', 'set', cable, 'nomaster'),
        mend: () => ip('-n', hub, 'link', 'set', cable, 'master', 'bridge'),
      });
    }
    return { hosts, close };
  } catch (error) {
    await close();
    throw error;
  }
}
