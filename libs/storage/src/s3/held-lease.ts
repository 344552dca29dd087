import { EsparseError } from '@esparse/errors';
import { clocks, elapsedSince, type Clocks } from '../clocks.ts';
import type { WriterLease } from '../writer-lease.ts';
import type { Bucket } from './bucket.ts';
import { isHeldBy, LEASE, leaseOf, lostTo, type Holder } from './lease-object.ts';
import { textOf } from './scheme.ts';

const RENEW_MS = 10_000;
/** The holder gives up this long after its last renewal, by its own clocks: well before anybody may take the lease. */
const HOLDER_MS = 45_000;
/** How long one renewal may take. */
const RENEW_TIMEOUT_MS = 20_000;

/** A lease as it was taken. */
export interface Taken {
  readonly bucket: Bucket;
  readonly holder: Holder;
  readonly etag: string;
  /** Whether the server keeps to conditions on writes. */
  readonly conditional: boolean;
  /** Before it was written. */
  readonly since: Clocks;
}

/** A lease in a bucket, renewed until it is released or lost. */
export class HeldLease implements WriterLease {
  readonly #bucket: Bucket;
  readonly #conditional: boolean;
  #holder: Holder;
  #etag: string;
  /** Before the last renewal that arrived. */
  #since: Clocks;
  #lost: EsparseError | undefined;
  #renewing: Promise<void> | undefined;
  readonly #timer: NodeJS.Timeout;

  constructor({ bucket, holder, etag, conditional, since }: Taken) {
    this.#bucket = bucket;
    this.#holder = holder;
    this.#etag = etag;
    this.#conditional = conditional;
    this.#since = since;
    this.#timer = setInterval(() => {
      this.#renewOnce();
    }, RENEW_MS);
    this.#timer.unref();
  }

  get lost(): EsparseError | undefined {
    if (this.#lost === undefined && elapsedSince(this.#since) > HOLDER_MS) {
      const store = textOf(this.#bucket.place);
      this.#lost = new EsparseError('locked', `the lease of ${store} could not be renewed in time`, {
        hint: 'S3 was out of reach, or this machine was suspended; run again to resume',
      });
    }
    return this.#lost;
  }

  get caution(): string | undefined {
    if (this.#conditional) return undefined;
    return (
      `${textOf(this.#bucket.place)}: this server ignores conditional writes (If-Match, If-None-Match). ` +
      'A second writer that starts at the same moment may not be noticed: let only one process write this store'
    );
  }

  async release(): Promise<void> {
    clearInterval(this.#timer);
    await this.#renewing;
    if (this.lost !== undefined) return;
    await this.#remove().catch(() => undefined);
  }

  async #remove(): Promise<void> {
    if (isHeldBy(this.#holder, await this.#bucket.inspect(LEASE))) await this.#bucket.delete([LEASE]);
  }

  /** One renewal at a time. One that fails is tried again, until the lease counts as lost by its age. */
  #renewOnce(): void {
    if (this.#renewing !== undefined || this.#lost !== undefined) return;
    this.#renewing = this.#renew()
      .catch(() => undefined)
      .finally(() => {
        this.#renewing = undefined;
      });
  }

  async #renew(): Promise<void> {
    const now = clocks();
    const signal = AbortSignal.timeout(RENEW_TIMEOUT_MS);
    this.#holder = { ...this.#holder, beat: this.#holder.beat + 1 };
    const etag = await (this.#conditional ? this.#writeIfOurs(signal) : this.#writeOver(signal));
    if (etag === undefined) return;
    this.#etag = etag;
    this.#since = now;
  }

  async #writeIfOurs(signal: AbortSignal): Promise<string | undefined> {
    const bytes = leaseOf(this.#holder);
    const written = await this.#bucket.putIf(LEASE, bytes, this.#etag, signal);
    if (written !== undefined) return written;
    // A renewal that was given up may have happened all the same: then the lease is ours in a version not yet seen.
    const found = await this.#bucket.inspect(LEASE, signal);
    if (isHeldBy(this.#holder, found)) return this.#bucket.putIf(LEASE, bytes, found!.etag, signal);
    this.#lost = lostTo(this.#bucket, found);
    return undefined;
  }

  /** Without conditional writes: looks first. */
  async #writeOver(signal: AbortSignal): Promise<string | undefined> {
    const found = await this.#bucket.inspect(LEASE, signal);
    if (!isHeldBy(this.#holder, found)) {
      this.#lost = lostTo(this.#bucket, found);
      return undefined;
    }
    await this.#bucket.put(LEASE, [leaseOf(this.#holder)], signal);
    return '';
  }
}
