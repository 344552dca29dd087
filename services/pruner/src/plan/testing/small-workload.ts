import { describeModel } from '@esparse/model';
import { defineStatistic, type AnyStatistic, type Cost } from '@esparse/statistics';
import { parseLayerRule, resolveLayers, type Layers } from '../../layers.ts';
import type { PluginCosts } from '../costs.ts';
import { workloadOf, type Workload, type WorkloadInput } from '../workload.ts';

/** Four blocks of a model whose sequences of 1024 tokens fill a shard by fours. */
export const DESCRIPTION = describeModel({
  architectures: ['LlamaForCausalLM'],
  hidden_size: 1024,
  intermediate_size: 2048,
  num_hidden_layers: 4,
  num_attention_heads: 8,
  vocab_size: 512,
  rms_norm_eps: 1e-5,
  max_position_embeddings: 2048,
});

/** A statistic that is never gathered. */
export function statistic(
  name: string,
  { cost, needsDense = false }: { readonly cost?: () => Cost; readonly needsDense?: boolean } = {},
): AnyStatistic {
  return defineStatistic({
    name,
    needsDense,
    create: () => ({}),
    update: () => undefined,
    merge: () => undefined,
    serialise: () => new Uint8Array(),
    deserialise: () => ({}),
    ...(cost && { cost }),
  });
}

/** The linears of `DESCRIPTION` to 2:4, but for those of which rules say something else. */
export function layersOf(...rules: readonly string[]): Layers {
  const pattern = { keep: 2, group: 4 };
  return resolveLayers(DESCRIPTION, { pattern, layers: rules.map(parseLayerRule), skipIndivisible: false });
}

/** The work of a run over 32 sequences, 8 shards, by 2 workers, with one statistic; or as changed. */
export function smallWorkload({
  layers = layersOf(),
  statistics = [statistic('count')],
  blockStages,
  weightBytes = 2,
  ...options
}: Partial<Omit<WorkloadInput, 'options' | 'description'> & WorkloadInput['options']> = {}): Workload {
  return workloadOf({
    options: { samples: 32, seqlen: 1024, workers: 2, ...options },
    description: DESCRIPTION,
    layers,
    statistics,
    blockStages,
    weightBytes,
  });
}

/** Plug-ins that take what is given of each, and nothing else. */
export function takes(given: {
  readonly tap?: Cost;
  readonly stages?: Cost;
  readonly shuffle?: number;
  readonly held?: Partial<ReturnType<PluginCosts['held']>>;
  readonly blockStages?: Partial<ReturnType<PluginCosts['blockStages']>>;
}): PluginCosts {
  const nothing = { bytes: 0, flops: 0, seconds: 0 };
  return {
    tap: () => ({ ...nothing, ...given.tap }),
    stages: () => ({ ...nothing, ...given.stages }),
    shuffle: () => given.shuffle ?? 0,
    held: () => ({ run: 0, gathering: 0, pruning: 0, file: 0, ...given.held }),
    blockStages: () => ({
      pruner: 0,
      worker: 0,
      gpu: 0,
      file: 0,
      flops: 0,
      seconds: 0,
      ...given.blockStages,
    }),
    uncounted: [],
  };
}
