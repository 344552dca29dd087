import { startS3Server, type S3Server } from '@esparse/s3-server';
import { openObjects } from '@esparse/storage';
import { createOrOpenStore } from '@esparse/store';
import { heading, median, print, secondsOf } from '../table.ts';

/** A block of the 13B shape has arrays of such sizes. */
const ARRAYS = 8;
const ELEMENTS = 2 ** 24;
const BYTES = ARRAYS * ELEMENTS * 2;
const ROUNDS = 5;
/** Objects under way at once of the parallel copies: as many requests as the store makes of two arrays in four parts. */
const PARALLEL = 8;

interface Seconds {
  readonly ours: number[];
  readonly single: number[];
  readonly parallel: number[];
}

/**
 * Writing and reading of a block over S3, against plain transfers of the same objects by `fetch`, unsigned, one at a
 * time and eight at a time, in turns. The server is s3rver, a process of its own on loopback: it shares the processors.
 */
export async function benchS3Speed(): Promise<void> {
  heading(
    `the store over S3 against plain transfers, a block of ${ARRAYS} x ${(ELEMENTS * 2) / 2 ** 20} MiB`,
  );
  const server = await startS3Server();
  const environment = { ...process.env };
  Object.assign(process.env, server.environment);
  try {
    const { write, read } = await measure(server);
    compare('written and committed', write);
    compare('read and checked', read);
  } finally {
    process.env = environment;
    await server.stop();
  }
}

async function measure({ bucket, environment }: S3Server): Promise<{ write: Seconds; read: Seconds }> {
  const url = `${environment.AWS_ENDPOINT_URL!}/${bucket}`;
  const data = Uint16Array.from({ length: ELEMENTS }, (_, i) => Math.imul(i, 2654435761) >>> 16);
  const write: Seconds = { ours: [], single: [], parallel: [] };
  const read: Seconds = { ours: [], single: [], parallel: [] };
  const target = new Uint16Array(ELEMENTS);
  const location = `s3://${bucket}/speed`;
  const store = await createOrOpenStore(location);
  const objects = await openObjects(location);
  const writer = await store.beginRun('0'.repeat(32), {});
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const transaction = writer.beginBlock(round);
      write.ours.push(
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
      read.ours.push(
        await secondsOf(async () => {
          for (let a = 0; a < ARRAYS; a++) await block.readInto(`array-${a}`, target);
        }),
      );
      const keys: string[] = [];
      for await (const key of objects.list(`runs/${'0'.repeat(32)}/blocks/${round}`)) keys.push(key);
      const bodies = new Map<string, Uint8Array>();
      const get = async (key: string): Promise<void> => {
        const answer = await fetch(`${url}/speed/${key}`);
        bodies.set(key, new Uint8Array(await answer.arrayBuffer()));
      };
      const put = async (key: string): Promise<void> => {
        const answer = await fetch(`${url}/copies/${key}`, { method: 'PUT', body: bodies.get(key)! });
        if (!answer.ok) throw new Error(`${key}: ${answer.status}`);
        await answer.arrayBuffer();
      };
      read.single.push(await secondsOf(() => each(keys, 1, get)));
      read.parallel.push(await secondsOf(() => each(keys, PARALLEL, get)));
      write.single.push(await secondsOf(() => each(keys, 1, put)));
      write.parallel.push(await secondsOf(() => each(keys, PARALLEL, put)));
    }
  } finally {
    await writer.close();
  }
  return { write, read };
}

/** Works on all items, so many at a time. */
async function each<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  const lane = async (): Promise<void> => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
}

function compare(name: string, { ours, single, parallel }: Seconds): void {
  const rate = (values: readonly number[]) => (BYTES / 1e6 / median(values)).toFixed(0);
  print({
    name: `  ${name}; plain one at a time, ${PARALLEL} at a time`,
    measured: `${rate(ours)}, ${rate(single)}, ${rate(parallel)} MB/s`,
  });
  for (const [how, plain] of [
    ['one at a time', single],
    [`${PARALLEL} at a time`, parallel],
  ] as const) {
    const ratio = median(plain.map((seconds, i) => seconds / ours[i]!));
    print({
      name: `${name}, against plain transfers, ${how}`,
      measured: `${(100 * ratio).toFixed(0)} %`,
      target: '>= 80 %',
      met: ratio >= 0.8,
    });
  }
}
