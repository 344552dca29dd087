import { open, statfs, unlink, type FileHandle } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { EsparseError } from '@esparse/errors';
import { free } from '@esparse/kernels';

/** Bytes that lie in memory or in a file, whichever has room. They begin as zeros. */
export interface Slab {
  readonly bytes: number;
  readonly inMemory: boolean;
  /** Runs `work` on the bytes; where it changes them, that stays. Calls on one slab must not overlap. */
  use<R>(access: 'read' | 'change', work: (bytes: ArrayBuffer) => R | Promise<R>): Promise<R>;
  /** Copies a part of them, from `offset` on. */
  read(offset: number, into: Uint8Array): Promise<void>;
  /** Releases the room. */
  release(): void;
}

/** Room for slabs: memory up to a bound, and a temporary file beyond it. */
export interface Spill {
  /** Bytes of memory that slabs may take. */
  readonly memory: number;
  /** @throws EsparseError 'space' where neither memory nor the file has room */
  allocate(bytes: number): Promise<Slab>;
  /** Bytes that slabs have in memory, and in the file. */
  used(): { readonly memory: number; readonly file: number };
  /** Removes the file; the use of a slab is an error afterwards. */
  close(): Promise<void>;
}

/** How much memory slabs have, and where the rest goes. */
export interface SpillOptions {
  readonly memory: number;
  /** Where the file goes. @default TMPDIR, or /tmp */
  readonly folder?: string | undefined;
  /** What slabs are for, in messages. @default 'the Hessians' */
  readonly holds?: string | undefined;
  /** The variable that bounds the memory, in messages. @default 'ESPARSE_HESSIAN_MEMORY' */
  readonly variable?: string | undefined;
}

/**
 * Opens a spill. Its file has no name as soon as it is open: the system removes it however this process ends.
 */
export function createSpill({
  memory,
  folder = tmpdir(),
  holds = 'the Hessians',
  variable = 'ESPARSE_HESSIAN_MEMORY',
}: SpillOptions): Spill {
  const noRoom: NoRoom = (message, cause) =>
    new EsparseError('space', `${holds} do not fit into memory, and ${message}`, {
      hint: `set TMPDIR to a folder on a disk with room, or raise ${variable} (in GiB)`,
      cause,
    });
  let inMemory = 0;
  let inFile = 0;
  let opened: Promise<FileHandle> | undefined;
  /** Where the file ends, and room within it that was released, by its size. */
  let end = 0;
  const vacant = new Map<number, number[]>();
  /** Buffers for what comes from the file and goes back, by their size. */
  const buffers = new Map<number, ArrayBuffer[]>();

  let closed = false;

  /** Work that goes on after the run has ended, such as a sum that was under way when it was cancelled, ends here. */
  const requireOpen = () => {
    if (closed) throw new EsparseError('cancelled', `the run has ended: ${holds} are released`);
  };
  const file = () => {
    // What was under way when the file was closed must not open another, which would never be closed.
    requireOpen();
    return (opened ??= openNameless(folder, noRoom));
  };

  const place = async (bytes: number): Promise<number> => {
    const again = vacant.get(bytes)?.pop();
    if (again !== undefined) return again;
    await requireRoom(folder, end + bytes - (await (await file()).stat()).blocks * BLOCK_BYTES, noRoom);
    end += bytes;
    return end - bytes;
  };

  const onDisk = (bytes: number, offset: number): Slab => {
    let written = false;
    return {
      bytes,
      inMemory: false,
      async use(access, work) {
        requireOpen();
        const pool = poolOf(buffers, bytes);
        const buffer = pool.pop() ?? new ArrayBuffer(bytes);
        try {
          if (written) await transfer(await file(), 'read', new Uint8Array(buffer), offset, noRoom);
          else new Uint8Array(buffer).fill(0);
          const result = await work(buffer);
          if (access === 'change') {
            await transfer(await file(), 'write', new Uint8Array(buffer), offset, noRoom);
            written = true;
          }
          return result;
        } finally {
          pool.push(buffer);
        }
      },
      async read(from, into) {
        requireOpen();
        if (written) await transfer(await file(), 'read', into, offset + from, noRoom);
        else into.fill(0);
      },
      release() {
        inFile -= bytes;
        poolOf(vacant, bytes).push(offset);
      },
    };
  };

  return {
    memory,
    async allocate(bytes) {
      requireOpen();
      if (inMemory + bytes > memory) {
        const offset = await place(bytes);
        inFile += bytes;
        return onDisk(bytes, offset);
      }
      inMemory += bytes;
      let held: ArrayBuffer | undefined = new ArrayBuffer(bytes);
      const slab: Slab = {
        bytes,
        inMemory: true,
        use: async (_, work) => {
          requireOpen();
          return work(held!);
        },
        read: (from, into) =>
          slab.use('read', (all) => {
            into.set(new Uint8Array(all, from, into.length));
          }),
        release() {
          free(new Uint8Array(held!));
          held = undefined;
          inMemory -= bytes;
        },
      };
      return slab;
    },
    used: () => ({ memory: inMemory, file: inFile }),
    async close() {
      closed = true;
      buffers.clear();
      await (await opened)?.close();
      opened = undefined;
    },
  };
}

/** The unit of `blocks` in the result of `stat`. */
const BLOCK_BYTES = 512;

/** Says why there is no room. */
type NoRoom = (message: string, cause?: unknown) => EsparseError;

async function openNameless(folder: string, noRoom: NoRoom): Promise<FileHandle> {
  const name = path.join(folder, `esparse-spill-${randomUUID()}`);
  try {
    const handle = await open(name, 'wx+', 0o600);
    await unlink(name);
    return handle;
  } catch (cause) {
    throw noRoom(`no temporary file can be made in ${folder}`, cause);
  }
}

async function requireRoom(folder: string, bytes: number, noRoom: NoRoom): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize >= bytes) return;
  throw noRoom(`${folder} has ${gigabytes(bavail * bsize)} free, and ${gigabytes(bytes)} more must go there`);
}

/** Reads or writes a whole buffer: the system may do it in parts. */
async function transfer(
  file: FileHandle,
  direction: 'read' | 'write',
  bytes: Uint8Array,
  offset: number,
  noRoom: NoRoom,
): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const length = bytes.length - at;
    const done =
      direction === 'read'
        ? (await file.read(bytes, at, length, offset + at)).bytesRead
        : (
            await file.write(bytes, at, length, offset + at).catch((cause: unknown) => {
              throw noRoom('the temporary file cannot be written', cause);
            })
          ).bytesWritten;
    if (done === 0)
      throw new EsparseError('internal', 'the temporary file is shorter than what was written to it');
    at += done;
  }
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

function poolOf<T>(pools: Map<number, T[]>, bytes: number): T[] {
  let pool = pools.get(bytes);
  if (pool === undefined) pools.set(bytes, (pool = []));
  return pool;
}
