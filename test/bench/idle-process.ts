import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Prints its own longest stall in milliseconds when its standard input ends. */
const SCRIPT = `
  const monitor = require('node:perf_hooks').monitorEventLoopDelay({ resolution: 2 });
  monitor.enable();
  process.stdin.on('end', () => process.stdout.write(String(monitor.max / 1e6 - 2))).resume();
`;

/**
 * A process beside the measured one that does nothing: how long the machine itself kept it waiting. A stall of the server
 * that is no longer says nothing about the server.
 *
 * @returns what ends it and gives its longest stall in milliseconds
 */
export function startIdleProcess(): () => Promise<number> {
  const child = spawn(process.execPath, ['-e', SCRIPT], { stdio: ['pipe', 'pipe', 'inherit'] });
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
  return async () => {
    const exited = once(child, 'close');
    child.stdin.end();
    await exited;
    return Number(printed);
  };
}
