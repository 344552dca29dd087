import { readFile, writeFile, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { inTemporaryFolder, treeOf } from '@esparse/laws';
import { openObjects } from '@esparse/storage';
import type { Run } from '@esparse/store';
import { exportRun, type ExportProgress } from './export-run.ts';
import { partOf, type ExportFormat } from './format.ts';
import { masks } from './formats/masks.ts';
import { safetensors } from './formats/safetensors.ts';
import { FIXTURES, prunedRun } from './testing/pruned-run.ts';

let run: Run;
beforeAll(async () => {
  run = await prunedRun(path.join(FIXTURES, 'llama'));
});

/** Calls `use` with a folder that does not exist yet. */
function withOut(use: (out: string) => Promise<void>): Promise<void> {
  return inTemporaryFolder((home) => use(path.join(home, 'out')));
}

/** A format that stops after so many parts, as a process does that is killed. */
function stoppingAfter(format: ExportFormat, parts: number): ExportFormat {
  let left = parts;
  return {
    ...format,
    async files(source, signal) {
      const files = await format.files(source, signal);
      return files.map((file) => ({
        ...file,
        parts: file.parts.map((part) => ({
          ...part,
          read: () => (left-- > 0 ? part.read() : Promise.reject(new Error('killed'))),
        })),
      }));
    },
  };
}

test('an export that is stopped anywhere leaves nothing half-named, and the same command brings it to the same bytes', () =>
  withOut(async (out) => {
    await exportRun({ run, format: safetensors, out: `${out}-whole` });
    const whole = await treeOf(`${out}-whole`);
    expect([...whole.keys()]).toEqual(['config.json', 'model.safetensors']);
    for (let parts = 0; ; parts += 4) {
      const stopped = await exportRun({ run, format: stoppingAfter(safetensors, parts), out }).catch(
        (error: unknown) => error,
      );
      if (!(stopped instanceof Error)) break;
      const named = [...(await treeOf(out)).entries()].filter(([name]) => !name.startsWith('.esparse-'));
      for (const [name, bytes] of named) expect(bytes).toBe(whole.get(name));
      expect(named.map(([name]) => name)).not.toContain('config.json');
    }
    expect(await treeOf(out)).toEqual(whole);
  }));

test('what an attempt has written is not written again', () =>
  withOut(async (out) => {
    const seen: ExportProgress[] = [];
    await expect(exportRun({ run, format: stoppingAfter(safetensors, 8), out })).rejects.toThrow('killed');
    const counted = stoppingAfter(safetensors, Infinity);
    let reads = 0;
    const format: ExportFormat = {
      ...counted,
      async files(source) {
        return (await safetensors.files(source)).map((file) => ({
          ...file,
          parts: file.parts.map((part) => ({ ...part, read: () => (reads++, part.read()) })),
        }));
      },
    };
    const { bytes } = await exportRun({ run, format, out, onProgress: (at) => seen.push(at) });
    // Every part is counted once, those of the first attempt too.
    expect(seen).toHaveLength(8 + reads);
    expect(seen.at(-1)).toMatchObject({ bytes, totalBytes: bytes });
  }));

test('a folder with other things in it, a finished export and an unfinished one of another kind are refused', () =>
  withOut(async (out) => {
    await mkdir(out);
    await writeFile(path.join(out, 'notes.txt'), 'mine');
    await expect(exportRun({ run, format: safetensors, out })).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('is not empty'),
    });
    expect([...(await treeOf(out)).keys()]).toEqual(['notes.txt']);

    await exportRun({ run, format: safetensors, out: `${out}-2` });
    await expect(exportRun({ run, format: safetensors, out: `${out}-2` })).rejects.toMatchObject({
      kind: 'usage',
    });

    await exportRun({ run, format: stoppingAfter(safetensors, 3), out: `${out}-3` }).catch(() => undefined);
    const other = { ...safetensors, name: 'other' };
    await expect(exportRun({ run, format: other, out: `${out}-3` })).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('unfinished export of another kind'),
    });
    await expect(
      exportRun({ run, format: safetensors, out: `${out}-3`, dtype: 'bf16' }),
    ).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('unfinished export of another kind'),
    });
    await expect(exportRun({ run, format: safetensors, out: 's3://bucket/out' })).rejects.toMatchObject({
      kind: 'usage',
    });
  }));

const onePart: ExportFormat = {
  name: 'one',
  description: '',
  form: 'file',
  files: () => Promise.resolve([{ name: 'any', parts: [partOf(Buffer.from('text'))] }]),
};

test('a format of one file is written to the path that was named, beside what is there, and never over it', () =>
  withOut(async (out) => {
    await mkdir(out);
    await writeFile(path.join(out, 'notes.txt'), 'mine');
    await exportRun({ run, format: onePart, out: path.join(out, 'model.one') });
    expect([...(await treeOf(out)).keys()]).toEqual(['model.one', 'notes.txt']);
    expect(await readFile(path.join(out, 'model.one'), 'utf8')).toBe('text');
    await expect(exportRun({ run, format: onePart, out: path.join(out, 'notes.txt') })).rejects.toMatchObject(
      {
        kind: 'usage',
        message: expect.stringContaining('exists'),
      },
    );
  }));

test('a place that cannot be made ends the export at once, and a file that is no folder is named as one', () =>
  withOut(async (out) => {
    await expect(exportRun({ run, format: safetensors, out: '/proc/esparse/none' })).rejects.toMatchObject({
      kind: 'store',
      message: expect.stringContaining('/proc/esparse'),
    });
    await writeFile(out, 'mine');
    for (const [format, place] of [
      [safetensors, out],
      [onePart, path.join(out, 'model.one')],
    ] as const) {
      await expect(exportRun({ run, format, out: place })).rejects.toMatchObject({
        kind: 'usage',
        message: `${out} is a file, not a folder`,
        hint: expect.stringContaining('--out'),
      });
    }
    expect(await readFile(out, 'utf8')).toBe('mine');
  }));

test('a place that another process exports to is refused, and is not called a store', () =>
  withOut(async (out) => {
    const lease = await (await openObjects(out)).lock();
    await expect(exportRun({ run, format: safetensors, out })).rejects.toMatchObject({
      kind: 'locked',
      message: expect.stringMatching(/^\S+out is being written by process/),
    });
    await lease.release();
  }));

test('a disk that is too small is foreseen with the bytes that are needed', () =>
  withOut(async (out) => {
    const format: ExportFormat = {
      ...onePart,
      files: () =>
        Promise.resolve([
          { name: 'huge', parts: [{ bytes: 2 ** 52, read: () => Promise.reject(new Error()) }] },
        ]),
    };
    await expect(exportRun({ run, format, out })).rejects.toMatchObject({
      kind: 'space',
      message: expect.stringMatching(/4503599627370496 bytes are needed, \d+ bytes are free/),
    });
  }));

test('a format without weights has no type of weights', () =>
  withOut(async (out) => {
    await expect(exportRun({ run, format: masks, out, dtype: 'f32' })).rejects.toMatchObject({
      kind: 'usage',
      message: expect.stringContaining('masks has no weights'),
    });
  }));

test('a format cannot name a file outside the folder', () =>
  withOut(async (out) => {
    const format: ExportFormat = {
      ...safetensors,
      files: () => Promise.resolve([{ name: '../x', parts: [] }]),
    };
    await expect(exportRun({ run, format, out })).rejects.toMatchObject({ kind: 'internal' });
  }));

test('a cancelled export stops between two parts and can go on', () =>
  withOut(async (out) => {
    const controller = new AbortController();
    const cancelled = exportRun({
      run,
      format: safetensors,
      out,
      signal: controller.signal,
      onProgress: () => {
        controller.abort();
      },
    });
    await expect(cancelled).rejects.toMatchObject({ kind: 'cancelled' });
    await expect(exportRun({ run, format: safetensors, out })).resolves.toMatchObject({ files: 2 });
  }));
