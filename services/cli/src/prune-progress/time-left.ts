/** What is read of the events of a run. */
interface Progress {
  readonly block: number;
  readonly phase: string;
  readonly done: number;
  readonly total: number;
}

type Committed = Pick<Progress, 'block'>;

/** How much the newest block counts in the mean time of a block: a few blocks decide, and one alone changes little. */
const NEWEST_SHARE = 0.3;

/** Points of a block at which its time is kept: the estimate between them is interpolated. */
const POINTS = 300;

/**
 * Where a block is, from 0 to 4: its activations come, its linears are pruned, it goes through block stages and is committed, it is
 * run with what is left.
 */
const PRUNED = 2;
const COMMITTED = 3;
const END = 4;

/** A block's position, and the share of its time that had passed there. */
type Point = readonly [position: number, share: number];

/**
 * Estimates the time that a run still takes, from the blocks that it has pruned: how long one takes, and how its time is
 * spread over its phases and linears, however unequal they are. So the estimate falls like a clock as long as blocks take
 * the same time.
 */
export class TimeLeft {
  readonly #blocks: number;
  readonly #now: () => number;
  /** Of a block, in milliseconds; undefined before the first one is measured from its begin to that of the next. */
  #mean: number | undefined;
  #shape: readonly Point[] = [];
  #measured: [position: number, time: number][] = [];
  #block: number | undefined;
  #position = 0;
  #seen = 0;

  /**
   * @param blocks of the model
   * @param now milliseconds
   */
  constructor(blocks: number, now: () => number = () => performance.now()) {
    this.#blocks = blocks;
    this.#now = now;
  }

  progress({ block, phase, done, total }: Progress): void {
    // Blocks that were committed earlier are run again, not pruned.
    if (phase === 'advance' && block !== this.#block) return;
    if (block !== this.#block) this.#begin(block);
    const share = total === 0 ? 1 : done / total;
    // The last linear is pruned before the block is committed.
    if (phase === 'prune') this.#at(1 + 0.99 * share);
    else if (phase === 'tune') this.#at(PRUNED + 0.99 * share);
    else this.#at(phase === 'advance' ? COMMITTED + share : share);
  }

  committed({ block }: Committed): void {
    if (block === this.#block) this.#at(COMMITTED);
  }

  /** Milliseconds; undefined while no block has been measured. */
  left(): number | undefined {
    if (this.#mean === undefined || this.#block === undefined) return undefined;
    // The last block is not run: no other needs what it gives.
    const last = shareAt(this.#shape, COMMITTED);
    const after = this.#blocks - this.#block;
    const blocks = (after === 0 ? last : after + last) - shareAt(this.#shape, this.#position);
    return Math.max(0, blocks * this.#mean - (this.#now() - this.#seen));
  }

  /** The share of all blocks that is done, from 0 to 1. */
  done(): number {
    if (this.#block === undefined) return 0;
    const share = this.#mean === undefined ? this.#position / END : shareAt(this.#shape, this.#position);
    return Math.min(1, (this.#block - 1 + share) / this.#blocks);
  }

  #begin(block: number): void {
    const now = this.#now();
    const [, started] = this.#measured[0] ?? [];
    if (started !== undefined) {
      const time = now - started;
      this.#mean = this.#mean === undefined ? time : this.#mean + NEWEST_SHARE * (time - this.#mean);
      this.#shape = this.#measured.map(([position, at]) => [position, (at - started) / time]);
    }
    this.#block = block;
    this.#measured = [];
  }

  #at(position: number): void {
    this.#position = position;
    this.#seen = this.#now();
    const [last] = this.#measured.at(-1) ?? [-1];
    if (position >= last + END / POINTS) this.#measured.push([position, this.#seen]);
  }
}

/** The share of a block's time at a position, between the points that were measured. */
function shareAt(shape: readonly Point[], position: number): number {
  let [before, share] = [0, 0];
  for (const [at, shareThere] of shape) {
    if (position <= at) {
      return at === before
        ? shareThere
        : share + ((position - before) / (at - before)) * (shareThere - share);
    }
    [before, share] = [at, shareThere];
  }
  return share + (END === before ? 0 : ((position - before) / (END - before)) * (1 - share));
}
