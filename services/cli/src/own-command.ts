import path from 'node:path';
import { EsparseError } from '@esparse/errors';

/** The script of this very command, to start it again as another process. */
export function ownScript(): string {
  const script = process.argv[1];
  if (script === undefined) throw new EsparseError('internal', 'the path of the esparse command is unknown');
  return script;
}

/** What to type to run a command again: `esparse` where a global installation put it on the path, else `npx esparse`. */
export function ownCommand(script = ownScript()): string {
  const local = path.dirname(script).endsWith(path.join('node_modules', '.bin'));
  return path.basename(script) === 'esparse' && !local ? 'esparse' : 'npx esparse';
}
