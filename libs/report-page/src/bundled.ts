import { readFileSync } from 'node:fs';
import path from 'node:path';

/** A file that esbuild has made of what runs in a browser. */
export function bundled(name: string): string {
  return readFileSync(path.join(import.meta.dirname, `../build/${name}`), 'utf8');
}
