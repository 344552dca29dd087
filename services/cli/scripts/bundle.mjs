/**
 * Bundles the built command into few files: a command has some thousand modules otherwise, and to find and read those
 * takes longer than all else that it does before its work. `bin/esparse.mjs` runs the bundle where it was made of what is
 * built, and the built modules themselves where they are newer.
 *
 * Scripts of threads and processes are entries of the same bundle: what is registered in one module is seen by all of a
 * thread. What a module reads at its own place (an addon, a package.json) it finds there still; see `keepPlaces`.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import path from 'node:path';
import { build } from 'esbuild';

const home = path.join(import.meta.dirname, '..');
const root = path.join(home, '../..');
const out = path.join(home, 'build/bundled');

/**
 * Packages of others that go into the bundle: those of many small files that nearly every command loads. The rest is
 * loaded when it is wanted, from where it is installed.
 */
const INLINED = [
  ...['@grpc/grpc-js', '@grpc/proto-loader', '@grpc/reflection', 'grpc-health-check', 'protobufjs'],
  ...['@opentelemetry/api', 'prom-client', 'cli-table3', 'commander', 'minimatch', 'proper-lockfile'],
  ...['rxjs', 'zarr', 'zod'],
];

/** The folder of every package of ours that the command is made of, its own first. */
const packages = [home];
for (const folder of packages) {
  for (const name of Object.keys(readManifest(folder).dependencies ?? {})) {
    if (!name.startsWith('@esparse/')) continue;
    const next = realpathSync(path.join(root, 'node_modules', name));
    if (existsSync(path.join(next, 'dist')) && !packages.includes(next)) packages.push(next);
  }
}

const stamps = path.join(home, 'build/made-of.json');
mkdirSync(path.dirname(stamps), { recursive: true });
// What is interrupted is not taken for whole.
writeFileSync(stamps, '{"": 0}\n');
rmSync(out, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: packages.flatMap(entriesOf),
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  outdir: out,
  outbase: root,
  chunkNames: 'chunks/[name]-[hash]',
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
  plugins: [{ name: 'places', setup: keepPlaces }],
  banner: {
    js: [
      "import { createRequire as $createRequire } from 'node:module';",
      "import { fileURLToPath as $fileOf, pathToFileURL as $urlOf } from 'node:url';",
      'const $require = $createRequire(import.meta.url);',
      // For what is inlined of CommonJS.
      'const require = $require;',
      "const $bundled = import.meta.url.slice(0, import.meta.url.lastIndexOf('/bundled/') + '/bundled/'.length);",
    ].join('\n'),
  },
});
writeFileSync(path.join(home, 'build/THIRD-PARTY.txt'), noticesOf(Object.keys(metafile.inputs)));
writeFileSync(stamps, `${JSON.stringify(Object.fromEntries(packages.map(stampOf)), null, 1)}\n`);

function readManifest(folder) {
  return JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
}

/** What a process or a thread of the command begins with. */
function entriesOf(folder) {
  const dist = path.join(folder, 'dist');
  return readdirSync(dist, { recursive: true })
    .filter(
      (file) => !file.startsWith('testing/') && /(^|-)(main|thread|process|register-family)\.js$/.test(file),
    )
    .map((file) => path.join(dist, file));
}

/**
 * What stays outside, and what modules of ours are told of their place. `import.meta.url` is where a module lies in the
 * bundle, whose folders are those of the repository: there `builtScript` finds the bundled script. `createRequire` and
 * `import.meta.dirname` keep the place in the package: there are its addon and its package.json.
 */
function keepPlaces({ onResolve, onLoad }) {
  onResolve({ filter: /^[^./]/ }, ({ path: name, importer, kind }) => {
    if (kind === 'entry-point' || isBuiltin(name)) return undefined;
    // Codecs that no store of ours has, large and loaded by nobody.
    if (name.startsWith('numcodecs/')) return { path: name, external: true };
    // What an inlined package needs is inlined with it: it need not be found from here.
    const inside = packages.every((folder) => !importer.startsWith(`${folder}/`));
    const inlined =
      inside || [...INLINED, '@esparse'].some((own) => name === own || name.startsWith(`${own}/`));
    return inlined ? undefined : { path: name, external: true };
  });
  onLoad({ filter: /\.c?js$/ }, ({ path: file }) => {
    const text = readFileSync(file, 'utf8');
    const name = nameOf(file);
    // Two of the inlined packages read a .proto of their own.
    if (['@grpc/reflection', 'grpc-health-check'].includes(name) && text.includes('__dirname'))
      return {
        contents: text.replaceAll('__dirname', `$fileOf(new URL('.', ${placeOf(file, name)}))`),
        loader: 'js',
      };
    if (!name.startsWith('@esparse/') || !text.includes('import.meta.')) return undefined;
    const own = placeOf(file, name);
    const contents = text
      .replaceAll('createRequire(import.meta.url)', `createRequire(${own})`)
      .replaceAll('import.meta.dirname', `$fileOf(new URL('.', ${own}))`)
      .replaceAll('import.meta.url', `new URL(${JSON.stringify(path.relative(root, file))}, $bundled).href`);
    return { contents, loader: 'js' };
  });
}

/** The package of a file. */
function nameOf(file) {
  const own = packages.find((folder) => file.startsWith(`${folder}/`));
  if (own !== undefined) return readManifest(own).name;
  return /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? '';
}

/** An expression for the URL of a file of a package where that is installed: from its main file on. */
function placeOf(file, name) {
  const main = realpathSync(createRequire(path.join(home, 'dist/main.js')).resolve(name));
  const relative = JSON.stringify(`./${path.relative(path.dirname(main), file)}`);
  return `new URL(${relative}, $urlOf($require.resolve(${JSON.stringify(name)})))`;
}

/** The compiler's own record of a package: it is written whenever anything of the package is. */
function stampOf(folder) {
  const record = path.join(folder, 'dist/.tsbuildinfo');
  return [path.relative(home, record), statSync(record).mtimeMs];
}

/** The licences of the packages of others that have gone into the bundle. */
function noticesOf(inputs) {
  const folders = new Set(
    inputs.map((file) => /^.*node_modules\/(@[^/]+\/)?[^/]+/.exec(file)?.[0]).filter(Boolean),
  );
  return [...folders]
    .sort()
    .map((folder) => {
      const { name, version, license } = readManifest(path.join(root, folder));
      const files = readdirSync(path.join(root, folder)).filter((file) => /^(licen[cs]e|notice)/i.test(file));
      const texts = files.map((file) => readFileSync(path.join(root, folder, file), 'utf8').trim());
      return [`${name} ${version} (${license})`, ...texts].join('\n\n');
    })
    .join(`\n\n${'-'.repeat(80)}\n\n`);
}
