/**
 * `npm run pack:portable -- [--out FILE] [--checks]`: leaves an archive that runs without Node, npm or a network.
 * docs/install.md says how it is used.
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { packPortable } from './portable.ts';
import { readRepository } from './workspaces.ts';

const root = path.join(import.meta.dirname, '../..');
const { version } = readRepository(root).manifest;
const usual = `dist/esparse-${version}-${process.platform}-${process.arch}.tar.xz`;
const { values } = parseArgs({
  options: {
    out: { type: 'string', default: path.join(root, usual) },
    checks: { type: 'boolean', default: false },
  },
});
const archive = path.resolve(values.out);
packPortable(root, archive, values.checks);
process.stdout.write(`${archive}\n`);
