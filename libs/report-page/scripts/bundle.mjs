/** Bundles the page's script and style, with the notices that the licences of what is in them ask for. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { build } from 'esbuild';

const home = path.join(import.meta.dirname, '..');

/** A file of a package that one at `from` depends on. */
function fileOf(from, name, file) {
  const folder = path.dirname(createRequire(path.join(from, 'package.json')).resolve(`${name}/package.json`));
  return { folder, text: readFileSync(path.join(folder, file), 'utf8').trim() };
}

const echarts = fileOf(home, 'echarts', 'NOTICE');
const zrender = fileOf(echarts.folder, 'zrender', 'LICENSE');

await build({
  absWorkingDir: home,
  entryPoints: ['browser/main.ts', 'browser/page.css', 'browser/live.ts', 'browser/live.css'],
  bundle: true,
  minify: true,
  target: 'es2022',
  charset: 'utf8',
  legalComments: 'eof',
  footer: {
    js: `/*!\n${echarts.text}\nLicensed under the Apache License, Version 2.0.\n\nZRender\n${zrender.text}\n*/`,
  },
  outdir: 'build',
  logLevel: 'warning',
});
