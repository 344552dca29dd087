/** `npm run pack`: leaves what people install in dist/packages. docs/install.md says how it is used. */
import path from 'node:path';
import { packAll } from './pack.ts';

const root = path.join(import.meta.dirname, '../..');
for (const tarball of packAll(root, path.join(root, 'dist/packages')).values()) {
  process.stdout.write(`${path.relative(root, tarball)}\n`);
}
