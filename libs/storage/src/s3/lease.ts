import { randomUUID } from 'node:crypto';
import { readFile, readlink } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { EsparseError } from '@esparse/errors';
import type { Bucket } from './bucket.ts';
import { honoursConditions } from './conditions.ts';
import type { Inspected } from './inspect.ts';
import { textOf } from './scheme.ts';
import { z } from 'zod';
import { OWN_PREFIX } from '../key.ts';
import type { WriterLease } from '../writer-lease.ts';
import { isDead, lockedError, ownerSchema, thisProcess } from '../writer-owner.ts';

/** Age at which a lease that was not renewed may be taken: six missed renewals, as of a folder's lock. */
const LEASE_SECONDS = 60;
const RENEW_MS = 10_000;
/** The holder gives up this long after its last renewal, by its own clocks: well before anybody may take the lease. */
const HOLDER_MS = 45_000;
/** How long one renewal may take. */
const RENEW_TIMEOUT_MS = 20_000;
/** Times that a lease which changes while it is looked at is looked at again. */
const ATTEMPTS = 5;
/** Without conditional writes: how long somebody who wrote at the same moment has to overwrite our mark. */
const SETTLE_MS = 1000;

const LEASE = `${OWN_PREFIX}writer.json`;
const PROBE = `${OWN_PREFIX}probe-`;

const leaseSchema = ownerSchema.extend({
  /** Of which process numbers are: only where ours is the same one can be looked up. */
  machine: z.string().max(255),
  token: z.uuid(),
  /** Grows with each renewal, so that each is another version. */
  beat: z.int().nonnegative(),
});
type Holder = z.infer<typeof leaseSchema>;

/**
 * Takes the lease of the one writer of a store in a bucket: a small object that says who holds it, renewed every 10 s.
 *
 * Where the server honours conditional writes, it is created with `If-None-Match: *` and renewed or taken over with
 * `If-Match`: one writer can hold it. Elsewhere a mark is written and read back, which two writers at the same moment may
 * both survive; the lease has a `caution` then.
 *
 * Whether a lease has expired is told by the server's clock alone, the time of its answer against that of the object: no
 * host's clock matters. The holder counts on its own clocks, and gives up before anybody may take the lease. That of a
 * process which was killed on this machine is taken at once.
 *
 * @throws EsparseError 'locked' naming process, host and since when
 */
export async function takeLease(
  bucket: Bucket,
): Promise<{ readonly lease: WriterLease; readonly conditional: boolean }> {
  const conditional = await honoursConditions(bucket, PROBE);
  const holder: Holder = { ...thisProcess(), machine: await thisMachine(), token: randomUUID(), beat: 0 };
  const write = conditional ? writeConditionally : writeAndSettle;
  const started = clocks();
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const found = await bucket.inspect(LEASE);
    const before = found && parse(found);
    if (found !== undefined && !(await isFree(found, before, holder.machine))) throw refused(bucket, before);
    const etag = await write(bucket, holder, found?.etag);
    if (etag !== undefined) {
      return { conditional, lease: hold({ bucket, holder, etag, conditional, since: started }) };
    }
  }
  const found = await bucket.inspect(LEASE);
  throw refused(bucket, found && parse(found));
}

interface Held {
  readonly bucket: Bucket;
  readonly holder: Holder;
  readonly etag: string;
  readonly conditional: boolean;
  readonly since: Clocks;
}

function hold({ bucket, holder, conditional, ...held }: Held): WriterLease {
  let { etag, since } = held;
  let { beat } = holder;
  let lost: EsparseError | undefined;
  let renewing: Promise<void> = Promise.resolve();
  let busy = false;

  const renew = async (): Promise<void> => {
    const now = clocks();
    const signal = AbortSignal.timeout(RENEW_TIMEOUT_MS);
    const next = { ...holder, beat: ++beat };
    const found = conditional ? undefined : await bucket.inspect(LEASE, signal);
    if (!conditional && !isOurs(found, holder)) lost = lostTo(bucket, found);
    if (lost !== undefined) return;
    let written = await writeLease(bucket, next, conditional ? etag : undefined, conditional, signal);
    if (written === undefined) {
      // A renewal that was given up may have happened all the same: then the lease is ours in a version not yet seen.
      const stored = await bucket.inspect(LEASE, signal);
      if (isOurs(stored, holder)) written = await writeLease(bucket, next, stored!.etag, conditional, signal);
      else lost = lostTo(bucket, stored);
    }
    if (written === undefined) return;
    etag = written;
    since = now;
  };
  const timer = setInterval(() => {
    if (busy || lost !== undefined) return;
    busy = true;
    // A renewal that fails is tried again, until the lease counts as lost by its age.
    renewing = renew()
      .catch(() => undefined)
      .finally(() => (busy = false));
  }, RENEW_MS);
  timer.unref();

  const state = (): EsparseError | undefined => {
    if (lost === undefined && elapsed(since) > HOLDER_MS) {
      lost = new EsparseError('locked', `the lease of ${nameOf(bucket)} could not be renewed in time`, {
        hint: 'S3 was out of reach, or this machine was suspended; run again to resume',
      });
    }
    return lost;
  };
  return {
    get lost() {
      return state();
    },
    ...(!conditional && {
      caution:
        `${nameOf(bucket)}: this server ignores conditional writes (If-Match, If-None-Match). ` +
        'A second writer that starts at the same moment may not be noticed: let only one process write this store',
    }),
    async release() {
      clearInterval(timer);
      await renewing;
      if (state() !== undefined) return;
      if (isOurs(await bucket.inspect(LEASE), holder)) await bucket.delete([LEASE]);
    },
  };
}

function writeConditionally(
  bucket: Bucket,
  holder: Holder,
  seen: string | undefined,
): Promise<string | undefined> {
  return bucket.putIf(LEASE, bytesOf(holder), seen);
}

async function writeAndSettle(bucket: Bucket, holder: Holder): Promise<string | undefined> {
  await bucket.put(LEASE, [bytesOf(holder)]);
  await setTimeout(SETTLE_MS);
  const found = await bucket.inspect(LEASE);
  if (isOurs(found, holder)) return found!.etag;
  throw refused(bucket, found && parse(found));
}

async function writeLease(
  bucket: Bucket,
  holder: Holder,
  seen: string | undefined,
  conditional: boolean,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (conditional) return bucket.putIf(LEASE, bytesOf(holder), seen, signal);
  await bucket.put(LEASE, [bytesOf(holder)], signal);
  return '';
}

/** Whether a lease may be taken: it has expired, or its process is known to be dead. */
async function isFree(found: Inspected, holder: Holder | undefined, machine: string): Promise<boolean> {
  if (found.age !== undefined && found.age > LEASE_SECONDS) return true;
  return holder !== undefined && machine !== '' && holder.machine === machine && (await isDead(holder));
}

function isOurs(found: Inspected | undefined, holder: Holder): boolean {
  return found !== undefined && parse(found)?.token === holder.token;
}

/** Who holds a lease; undefined where it is not of ours. */
function parse({ bytes }: Inspected): Holder | undefined {
  try {
    return leaseSchema.parse(JSON.parse(Buffer.from(bytes).toString()));
  } catch {
    return undefined;
  }
}

function bytesOf(holder: Holder): Uint8Array {
  return Buffer.from(`${JSON.stringify(holder)}\n`);
}

function refused(bucket: Bucket, holder: Holder | undefined): EsparseError {
  return lockedError(nameOf(bucket), holder, LEASE_SECONDS);
}

function lostTo(bucket: Bucket, found: Inspected | undefined): EsparseError {
  const holder = found && parse(found);
  const who = holder === undefined ? 'is gone' : `was taken by process ${holder.pid} on host ${holder.host}`;
  return new EsparseError('locked', `the lease of ${nameOf(bucket)} ${who}`, {
    hint: 'S3 was out of reach, or this machine was suspended, for more than a minute; run again to resume',
  });
}

function nameOf(bucket: Bucket): string {
  return textOf(bucket.place);
}

/**
 * This boot of this machine and this set of process numbers; '' where the system does not tell them apart. Host names
 * are not enough: hosts that share a bucket may share a name, and containers share a machine.
 */
async function thisMachine(): Promise<string> {
  try {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8');
    return `${boot.trim()}/${await readlink('/proc/self/ns/pid')}`;
  } catch {
    return '';
  }
}

/** Two clocks: the steady one stands still while a machine sleeps, the other may be set. The later of both counts. */
interface Clocks {
  readonly steady: number;
  readonly wall: number;
}

function clocks(): Clocks {
  return { steady: performance.now(), wall: Date.now() };
}

function elapsed(since: Clocks): number {
  return Math.max(performance.now() - since.steady, Date.now() - since.wall);
}
