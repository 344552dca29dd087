/** `npm run docs`: writes the command reference into docs/cli.md, or to the file that is named. */
import { writeFile } from 'node:fs/promises';
import { commandReference } from './command-reference.ts';
import { createProgram } from './program.ts';

await writeFile(process.argv[2] ?? 'docs/cli.md', commandReference(await createProgram()));
