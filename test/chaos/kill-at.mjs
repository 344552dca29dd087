/**
 * Preloaded into an esparse process (`node --import`): ends it by SIGKILL at a change that it is about to make to the
 * store, so that every instant at which a crash can matter can be chosen. The product knows nothing of it.
 *
 * ESPARSE_CHAOS is JSON: `store`, a folder; `kills`, by command (prune, worker, gc), either `{ kind }`, the first change of
 * a kind such as "rename block", or `{ change }`, the n-th of all; `log`, a file for the kinds of all changes of a run
 * that ends by itself, a line each, with the command appended to its name.
 */
import fs from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { placeOf } from './place-of.mjs';

const { store, kills = {}, log } = JSON.parse(process.env.ESPARSE_CHAOS);
const command = process.argv[2];
const kill = kills[command];
const seen = [];

if (isMainThread) {
  watch();
  if (log !== undefined) process.on('exit', () => fs.writeFileSync(`${log}.${command}`, seen.join('\n')));
}

function watch() {
  const files = new WeakMap();
  const { open, rename, mkdir } = promises;
  promises.open = async (file, flags, ...rest) => {
    if (/[wa+]/.test(String(flags))) before('open', file);
    const handle = await open(file, flags, ...rest);
    files.set(handle, String(file));
    watchHandle(handle, files);
    return handle;
  };
  promises.rename = (from, to) => (before('rename', to), rename(from, to));
  promises.rm = removeAndDie(promises.rm);
  promises.mkdir = (folder, options) => (before('mkdir', folder), mkdir(folder, options));
  // The writer's lock is a folder, and made by a library that uses callbacks.
  for (const name of ['mkdir', 'rmdir']) {
    const original = fs[name];
    fs[name] = (folder, ...rest) => (before(name, folder), original(folder, ...rest));
  }
  syncBuiltinESMExports();
}

/** A removal of a folder that is killed has removed half of the files in it. */
function removeAndDie(rm) {
  return async (file, options) => {
    if (!isTheOne('remove', file)) return rm(file, options);
    if (fs.existsSync(file) && fs.statSync(file).isDirectory()) {
      const files = fs
        .readdirSync(file, { recursive: true, withFileTypes: true })
        .filter((it) => it.isFile());
      for (const it of files.slice(0, files.length / 2)) fs.rmSync(path.join(it.parentPath, it.name));
    }
    return die();
  };
}

/** A write that is killed has written half of its bytes. */
function watchHandle(handle, files) {
  const { write, sync } = handle;
  handle.sync = () => (before('flush', files.get(handle)), sync.call(handle));
  handle.write = async (bytes, offset, length, ...rest) => {
    const dies = isTheOne('write', files.get(handle));
    if (!dies) return write.call(handle, bytes, offset, length, ...rest);
    await write.call(handle, bytes, offset, Math.floor(length / 2), ...rest);
    return die();
  };
}

function before(change, file) {
  if (isTheOne(change, file)) die();
}

function isTheOne(change, file) {
  const relative = path.relative(store, String(file));
  if (relative.startsWith('..')) return false;
  const kind = `${change} ${placeOf(relative.split(path.sep).join('/'))}`;
  seen.push(kind);
  return kill !== undefined && (kill.kind === kind || kill.change === seen.length);
}

function die() {
  process.kill(process.pid, 'SIGKILL');
}
