import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { clocks } from '../clocks.ts';
import { OWN_PREFIX } from '../key.ts';
import type { WriterLease } from '../writer-lease.ts';
import { isDead, thisMachine, thisProcess } from '../writer-owner.ts';
import type { Bucket } from './bucket.ts';
import { honoursConditions } from './conditions.ts';
import { HeldLease } from './held-lease.ts';
import type { Inspected } from './inspect.ts';
import {
  heldByAnother,
  holderIn,
  isHeldBy,
  LEASE,
  LEASE_SECONDS,
  leaseOf,
  type Holder,
} from './lease-object.ts';

/** Times that a lease which changes while it is looked at is looked at again. */
const ATTEMPTS = 5;
/** Without conditional writes: how long another writer of the same moment has to overwrite our mark. */
const SETTLE_MS = 1000;

const PROBE = `${OWN_PREFIX}probe-`;

/**
 * Takes the lease of the one writer of a store in a bucket: a small object that says who holds it, renewed every 10 s.
 *
 * Where the server honours conditional writes, it is created with `If-None-Match: *` and renewed or taken over with
 * `If-Match`: one writer can hold it. Elsewhere a mark is written and read back, which two writers at the same moment may
 * both survive; the lease has a `caution` then.
 *
 * Whether a lease has expired is known by the server's clock alone, the time of its answer against that of the object: no
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
  const since = clocks();
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const found = await bucket.inspect(LEASE);
    if (found !== undefined && !(await isFree(found, holder.machine))) throw heldByAnother(bucket, found);
    const etag = await (conditional
      ? bucket.putIf(LEASE, leaseOf(holder), found?.etag)
      : writeAndSettle(bucket, holder));
    if (etag !== undefined) {
      return { conditional, lease: new HeldLease({ bucket, holder, etag, conditional, since }) };
    }
  }
  throw heldByAnother(bucket, await bucket.inspect(LEASE));
}

async function writeAndSettle(bucket: Bucket, holder: Holder): Promise<string> {
  await bucket.put(LEASE, [leaseOf(holder)]);
  await setTimeout(SETTLE_MS);
  const found = await bucket.inspect(LEASE);
  if (isHeldBy(holder, found)) return found!.etag;
  throw heldByAnother(bucket, found);
}

/** Whether a lease may be taken: it has expired, or its process is known to be dead. */
async function isFree(found: Inspected, machine: string): Promise<boolean> {
  if (found.age !== undefined && found.age > LEASE_SECONDS) return true;
  const holder = holderIn(found);
  return holder !== undefined && machine !== '' && holder.machine === machine && (await isDead(holder));
}
