import { blamed, statisticsOf } from '@esparse/dataflow';
import { EsparseError, faultInWords } from '@esparse/errors';
import type {
  BlockCost,
  BlockShape,
  BlockStageShape,
  ConfiguredPipeline,
  HeldCost,
  LinearShape,
} from '@esparse/sparsity';
import type { Cost, StatisticReader, TapShape } from '@esparse/statistics';
import { z } from 'zod';
import { sum } from './sum.ts';

/** What the plug-ins of a pipeline say that they take. */
export interface PluginCosts {
  /** Of all statistics at one tap: bytes of a state of each, and the work of one sequence. */
  tap(shape: TapShape): Required<Cost>;
  /** Bytes that the shuffle takes for one linear. */
  shuffle(linear: LinearShape): number;
  /** Of all stages for one linear: the bytes of the largest, since they follow each other, and the work of all. */
  stages(linear: LinearShape): Required<Cost>;
  /** Of all block stages for one block: the bytes of the largest, since they follow each other, and the work of all. */
  blockStages(block: BlockStageShape): Required<BlockCost>;
  /** Of all stages, beside that. */
  held(block: BlockShape): Required<HeldCost>;
  /** Statistics and stages that do not say what they take. */
  readonly uncounted: readonly string[];
}

/** Asks the plug-ins of a pipeline: each is asked only for what it says of itself. */
export function pluginCosts(
  { shuffle, stages, blockStages }: Pick<ConfiguredPipeline, 'shuffle' | 'stages' | 'blockStages'>,
  readers: Iterable<StatisticReader>,
): PluginCosts {
  const statistics = statisticsOf(readers);
  return {
    tap(shape) {
      const costs = statistics.map((statistic) =>
        ask(COST, `statistic ${statistic.name}`, () => statistic.cost?.(shape)),
      );
      return { ...workOf(costs), bytes: sum(costs.map(({ bytes }) => bytes)) };
    },
    shuffle: (linear) => ask(SHUFFLE_COST, `shuffle ${shuffle.name}`, () => shuffle.cost?.(linear)).bytes,
    stages(linear) {
      const costs = stages.map((stage) => ask(COST, `stage ${stage.name}`, () => stage.cost?.(linear)));
      return { ...workOf(costs), bytes: Math.max(0, ...costs.map(({ bytes }) => bytes)) };
    },
    blockStages(block) {
      const costs = blockStages.map((stage) =>
        ask(BLOCK_COST, `block stage ${stage.name}`, () => stage.cost?.(block)),
      );
      const most = (part: 'pruner' | 'worker' | 'gpu' | 'file') =>
        Math.max(0, ...costs.map((cost) => cost[part]));
      return {
        ...workOf(costs),
        pruner: most('pruner'),
        worker: most('worker'),
        gpu: most('gpu'),
        file: most('file'),
      };
    },
    held(block) {
      const costs = stages.map((stage) =>
        ask(HELD_COST, `stage ${stage.name}`, () => stage.heldCost?.(block)),
      );
      const of = (part: keyof HeldCost) => sum(costs.map((cost) => cost[part]));
      return { run: of('run'), gathering: of('gathering'), pruning: of('pruning'), file: of('file') };
    },
    uncounted: [...statistics, ...stages, ...blockStages]
      .filter(({ cost }) => cost === undefined)
      .map(({ name }) => name),
  };
}

function workOf(
  costs: readonly Pick<Required<Cost>, 'flops' | 'seconds'>[],
): Pick<Required<Cost>, 'flops' | 'seconds'> {
  return { flops: sum(costs.map(({ flops }) => flops)), seconds: sum(costs.map(({ seconds }) => seconds)) };
}

const AMOUNT = z.number().min(0).default(0);
const SHUFFLE_COST = z.strictObject({ bytes: AMOUNT });
const COST = z.strictObject({ bytes: AMOUNT, flops: AMOUNT, seconds: AMOUNT });
const BLOCK_COST = z.strictObject({
  pruner: AMOUNT,
  worker: AMOUNT,
  gpu: AMOUNT,
  file: AMOUNT,
  flops: AMOUNT,
  seconds: AMOUNT,
});
const HELD_COST = z.strictObject({ run: AMOUNT, gathering: AMOUNT, pruning: AMOUNT, file: AMOUNT });

/** The answer of a plug-in, all zeros where it gives none. Plain JavaScript may give anything. */
function ask<Schema extends z.ZodType>(
  schema: Schema,
  plugin: string,
  question: () => unknown,
): z.output<Schema> {
  try {
    const answer = schema.safeParse(question() ?? {}, { error: faultInWords });
    if (answer.success) return answer.data;
    const [issue] = answer.error.issues;
    throw new EsparseError('usage', `its cost: ${[...(issue?.path ?? []), issue?.message].join(': ')}`);
  } catch (error) {
    throw blamed({ plugin, where: 'cost()' }, error);
  }
}
