import { EsparseError } from '@esparse/errors';
import { z } from 'zod';
import { OWN_PREFIX } from '../key.ts';
import { lockedError, ownerSchema } from '../writer-owner.ts';
import type { Bucket } from './bucket.ts';
import type { Inspected } from './inspect.ts';
import { textOf } from './scheme.ts';

/** The key of the object that says who writes a store. */
export const LEASE = `${OWN_PREFIX}writer.json`;

/** Age at which a lease that was not renewed may be taken: six missed renewals, as of a folder's lock. */
export const LEASE_SECONDS = 60;

const leaseSchema = ownerSchema.extend({
  /** Of which process numbers are: only where ours is the same one can be looked up. */
  machine: z.string().max(255),
  token: z.uuid(),
  /** Grows with each renewal, so that each is another version. */
  beat: z.int().nonnegative(),
});

/** Who holds a lease. */
export type Holder = z.infer<typeof leaseSchema>;

/** Who holds a lease; undefined where the object is none that this version writes. */
export function holderIn({ bytes }: Inspected): Holder | undefined {
  try {
    return leaseSchema.parse(JSON.parse(Buffer.from(bytes).toString()));
  } catch {
    return undefined;
  }
}

export function leaseOf(holder: Holder): Uint8Array {
  return Buffer.from(`${JSON.stringify(holder)}\n`);
}

export function isHeldBy(holder: Holder, found: Inspected | undefined): boolean {
  return found !== undefined && holderIn(found)?.token === holder.token;
}

/** The error for a second writer. */
export function heldByAnother(bucket: Bucket, found: Inspected | undefined): EsparseError {
  return lockedError(textOf(bucket.place), found && holderIn(found), LEASE_SECONDS);
}

/** The error for a writer whose lease another has taken, or removed. */
export function lostTo(bucket: Bucket, found: Inspected | undefined): EsparseError {
  const holder = found && holderIn(found);
  const who = holder === undefined ? 'is gone' : `was taken by process ${holder.pid} on host ${holder.host}`;
  return new EsparseError('locked', `the lease of ${textOf(bucket.place)} ${who}`, {
    hint: 'S3 was out of reach, or this machine was suspended, for more than a minute; run again to resume',
  });
}
