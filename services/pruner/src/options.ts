import type { ClientTls } from '@esparse/protocol';
import type { ConfiguredPipeline, OwnEncoding, Pattern, PipelineSource } from '@esparse/sparsity';
import type { LayerRule } from './layers.ts';

/** What a run does. All of it but paths and workers is part of the run's fingerprint. */
export interface PruneOptions extends ClientTls {
  /** Location of a Hugging Face checkpoint (see @esparse/storage). */
  readonly model: string;
  /** Calibration text: plain text, or JSONL with a `text` field. */
  readonly calibration: string;
  /** Location of the store that the run is committed to (see @esparse/storage). */
  readonly store: string;
  readonly pipeline: ConfiguredPipeline;
  /** A model family that does not come with esparse, and where it was loaded from. @default none */
  readonly family?: { readonly name: string; readonly source: PipelineSource } | undefined;
  /** What survivors are stored in where that does not come with esparse, and where it was loaded from. @default none */
  readonly encoding?: { readonly encoding: OwnEncoding; readonly source: PipelineSource } | undefined;
  readonly pattern: Pattern;
  /** Other patterns for some linears, or none: of several that name a linear, the last. @default none */
  readonly layers?: readonly LayerRule[] | undefined;
  /** What matrices that are not pruned are stored as: linears left dense, embedding, head. @default as in the checkpoint */
  readonly denseValues?: 'int8' | 'int4' | 'int3' | undefined;
  /** Calibration windows. */
  readonly samples: number;
  /** Tokens of a window. */
  readonly seqlen: number;
  /** Seed of the windows' offsets. */
  readonly seed: number;
  /** Whether the tokenized text begins with the model's BOS token. */
  readonly bos: boolean;
  /** Leaves linears dense whose input channels are not divisible by the group, instead of refusing the model. */
  readonly skipIndivisible: boolean;
  /** Tokens that must have gone to an expert for it to be pruned by its own statistics. @default MIN_EXPERT_TOKENS */
  readonly expertTokens?: number | undefined;
  /** Takes figures for a report: see `LinearFigures` of @esparse/dataflow. @default false */
  readonly figures?: boolean | undefined;
  /** Of `figures`, also the tokens at which channels are largest; the store then has the tokens of the calibration. @default false */
  readonly figureTokens?: boolean | undefined;
  /** Refuses to begin a new run: an earlier attempt must be there to go on with. @default false */
  readonly resume?: boolean;
  /** Addresses of workers, or names of gRPC that stand for several; where there are none, one is started on loopback. */
  readonly workers: readonly string[];
  /** Tasks under way at most. @default as many as workers are connected */
  readonly inFlight?: number | undefined;
  /**
   * Where activations are folded into statistics; the store comes out the same, but for Hessians, whose sums are then those of the
   * workers' GPUs. @default 'worker' where the workers compute on
   * NVIDIA GPUs and know all statistics, else 'pruner'
   */
  readonly combine?: 'pruner' | 'worker' | undefined;
  /**
   * What scores, shuffles and stages that solve for weights are computed on: 'cpu', 'cuda' and 'cuda:n', an NVIDIA GPU of this machine,
   * or 'cuda:n,m' and 'cuda:all', several of one kind, each of which has linears of its own. Weights that are solved for round otherwise on
   * another kind, so that is another run. @default 'cpu'
   */
  readonly solver?: string | undefined;
  /** How long one call of a plug-in may take, in seconds. @default 1800 */
  readonly pluginTimeout?: number | undefined;
}
