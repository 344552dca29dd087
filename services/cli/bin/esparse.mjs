#!/usr/bin/env node
import { existsSync, readFileSync, statSync } from 'node:fs';

const at = (path) => new URL(`../${path}`, import.meta.url);
const bundle = at('build/bundled/services/cli/dist/main.js');
const main = at('dist/main.js');
if (existsSync(bundle) && isNew()) await import(bundle.href);
else if (existsSync(main)) await import(main.href);
else {
  console.error('esparse is not built yet: run `npm ci`, or `npm run build`, in the repository');
  process.exitCode = 2;
}

/** Whether the bundle (scripts/bundle.mjs) was made of what is built: always so where it is installed, without a record. */
function isNew() {
  const record = at('build/made-of.json');
  if (!existsSync(record)) return true;
  const stamps = Object.entries(JSON.parse(readFileSync(record, 'utf8')));
  return stamps.every(([file, time]) => statSync(at(file), { throwIfNoEntry: false })?.mtimeMs === time);
}
