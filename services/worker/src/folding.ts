import { EsparseError } from '@esparse/errors';
import { tapsOf } from '@esparse/model';
import type { LoadedBlock } from '@esparse/onnx';
import type { BlockTarget, FoldInput, FoldPiece, FoldShard, ModelTarget } from './compute-inputs.ts';
import { createBlockFold, type BlockFold, type FoldedState, type SharedState } from './device-fold.ts';
import { clearOthers, loadNext } from './hold-block.ts';
import type { OpenModel } from './models.ts';
import { withPlaced, type StatesOfShard } from './placed-states.ts';
import { requireBlock, requireTap } from './require-inputs.ts';
import type { Held } from './slot.ts';
import { WORKER_STATISTICS } from './worker-statistics.ts';

/** What has models and blocks, and keeps them while they are used. */
export interface Holding {
  hold(target: ModelTarget): Promise<Held<OpenModel>>;
  withModel<R>(target: ModelTarget, use: (open: OpenModel) => Promise<R>): Promise<R>;
  withLoaded<R>(open: OpenModel, target: BlockTarget, use: (block: LoadedBlock) => Promise<R>): Promise<R>;
  /** Ends the reading of blocks. */
  readonly signal?: AbortSignal | undefined;
}

/** What is folded, and of what. */
interface Folding {
  readonly fold: BlockFold;
  readonly open: OpenModel;
  readonly block: number;
  /** Whether all has been added. */
  finished: boolean;
  readonly release: () => void;
}

/** Statistics of a block that are folded on the device, shard by shard. */
export function createFolding({ hold, withModel, withLoaded, signal }: Holding) {
  /** What is folded on the device: for one caller at a time. */
  let folding: Folding | undefined;
  const endFold = ({ isPrunedNow }: { isPrunedNow: boolean }) => {
    const ended = folding;
    folding = undefined;
    try {
      ended?.fold.release();
      if (isPrunedNow && ended?.finished === true) loadNext(ended.open, ended.block, signal);
    } finally {
      ended?.release();
    }
  };
  const underWay = (): Folding => {
    if (folding === undefined) throw new EsparseError('internal', 'nothing is folded on the device');
    return folding;
  };

  return {
    /** Begins to fold statistics of a block on the device; what was folded there before is dropped. */
    foldBegin: async ({ target, taps, statistics }: FoldInput): Promise<void> => {
      endFold({ isPrunedNow: false });
      const { value, release } = await hold(target);
      try {
        const { description, opened } = value;
        requireBlock(description, target.block);
        if (opened.statistics === undefined) throw new EsparseError('internal', 'the device folds nothing');
        const all = new Map(tapsOf(description, target.block).map((tap) => [tap.name, tap.channels]));
        // One that is still being read would stand beside the sums.
        await clearOthers(value, target.block);
        const fold = createBlockFold(opened.statistics, {
          taps: taps.length === 0 ? all : new Map(taps.map((name) => [name, requireTap(all, name)])),
          statistics: statistics.map((name) => WORKER_STATISTICS.get(name)!),
        });
        folding = { fold, open: value, block: target.block, finished: false, release };
      } catch (error) {
        release();
        throw error;
      }
    },

    /**
     * Runs the block over a shard and adds its activations.
     *
     * @returns how many sequences it has; undefined where the states were not there, and nothing was done
     */
    foldAdd: ({ target, own, dense }: FoldShard): Promise<number | undefined> => {
      const { fold } = underWay();
      return withModel(target, (open) => {
        const add = async (states: StatesOfShard, beside?: StatesOfShard) => {
          await withLoaded(open, target, (block) => fold.add(block, states, beside));
          return states.shape[0];
        };
        return withPlaced(open, target, own, (states) =>
          dense === undefined
            ? add(states)
            : withPlaced(open, target, dense, (beside) => add(states, beside)),
        );
      });
    },

    /** See `BlockFold.shared`. */
    foldShared: (_nothing: undefined): Promise<SharedState[]> => Promise.resolve(underWay().fold.shared()),

    /** What was folded: of states that have pieces what these are not. See `BlockFold.finish`. */
    foldFinish: (_nothing: undefined): Promise<FoldedState[]> => {
      const ending = underWay();
      ending.finished = true;
      return Promise.resolve(ending.fold.finish());
    },

    /** A piece of a state that has pieces; nothing behind the last. */
    foldPiece: ({ tap, statistic, index }: FoldPiece): Promise<Uint8Array | undefined> =>
      Promise.resolve(underWay().fold.piece(tap, statistic, index)),

    /** Gives the device's memory back. Of what was finished the block is pruned now: the next one is read meanwhile. */
    foldEnd: (_nothing: undefined): Promise<void> => {
      endFold({ isPrunedNow: true });
      return Promise.resolve();
    },
  };
}
