import { mkdir, open, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { createOrOpenStore, type CommittedGroup } from '@esparse/store';
import { heading, median, print, secondsOf } from '../table.ts';

/** A block of the 13B shape has arrays of such sizes. */
const ARRAYS = 8;
const ELEMENTS = 2 ** 24;
const BYTES = ARRAYS * ELEMENTS * 2;
const ROUNDS = 5;

/** Writing and reading of a block, against plain copies of the same files, both synced, in turns. */
export async function benchStoreSpeed(scratch: string): Promise<void> {
  heading(`the store against plain file copies, a block of ${ARRAYS} x ${(ELEMENTS * 2) / 2 ** 20} MiB`);
  const data = Uint16Array.from({ length: ELEMENTS }, (_, i) => Math.imul(i, 2654435761) >>> 16);
  const store = await createOrOpenStore(path.join(scratch, 'speed'));
  const writer = await store.beginRun('0'.repeat(32), {});
  const seconds = {
    write: [] as number[],
    copy: [] as number[],
    read: [] as number[],
    plain: [] as number[],
  };
  const target = new Uint16Array(ELEMENTS);
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const transaction = writer.beginBlock(round);
      seconds.write.push(
        await secondsOf(async () => {
          // Two at once, as the values and indices of a linear are.
          for (let a = 0; a < ARRAYS; a += 2) {
            const put = (name: number) => transaction.putArray(`array-${name}`, { data, shape: [ELEMENTS] });
            await Promise.all([put(a), put(a + 1)]);
          }
          await transaction.commit({});
        }),
      );
      const block = await writer.run.block(round);
      const files = Array.from({ length: ARRAYS }, (_, a) => block.chunkFile!(`array-${a}`));
      const copies = path.join(scratch, 'copies');
      await mkdir(copies);
      seconds.copy.push(await secondsOf(() => copyAll(files, copies)));
      await rm(copies, { recursive: true });
      seconds.read.push(await secondsOf(() => readAll(block, target)));
      seconds.plain.push(
        await secondsOf(async () => {
          for (const file of files) await readFile(file);
        }),
      );
    }
  } finally {
    await writer.close();
  }
  compare('written and synced, against files copied and synced', seconds.write, seconds.copy);
  compare('read and checked, against files read', seconds.read, seconds.plain);
}

async function copyAll(files: readonly string[], folder: string): Promise<void> {
  for (const [i, file] of files.entries()) {
    const bytes = await readFile(file);
    const handle = await open(path.join(folder, String(i)), 'wx');
    await handle.writeFile(bytes);
    await handle.sync();
    await handle.close();
  }
}

async function readAll(block: CommittedGroup, target: Uint16Array): Promise<void> {
  for (let a = 0; a < ARRAYS; a++) await block.readInto(`array-${a}`, target);
}

function compare(name: string, ours: readonly number[], plain: readonly number[]): void {
  const ratio = median(plain.map((seconds, i) => seconds / ours[i]!));
  const rate = (values: readonly number[]) => (BYTES / 1e9 / median(values)).toFixed(2);
  print({ name: `  ${name}`, measured: `${rate(ours)}, ${rate(plain)} GB/s` });
  print({ name, measured: `${(100 * ratio).toFixed(0)} %`, target: '>= 80 %', met: ratio >= 0.8 });
}
