import { concatMap, filter, from, identity, map, toArray, type OperatorFunction } from 'rxjs';
import { blockStages, encodePacked, type PrunedBlock, type PrunedLinear } from '@esparse/dataflow';
import { kindOf } from '@esparse/model';
import { storedDtype } from '@esparse/model-store';
import { tensorToF32 } from '@esparse/checkpoint';
import type { BlockTensor } from '@esparse/sparsity';
import type { BlockFindings } from './block-sink.ts';
import { blockStates } from './block-states.ts';
import { blockTensors } from './block-tensors.ts';
import { languageModel } from './language-model.ts';
import type { LinearEvents } from './linear-events.ts';
import type { RunContext } from './run-context.ts';
import { tuneBlock } from './tune-block.ts';
import { tunesDense } from './tuned-dense.ts';

/**
 * Takes the linears of a block through the block stages, together, and emits them one by one. What these change beside them, and
 * what they find, goes to the findings. Without block stages each linear passes as it comes, and none waits.
 */
export function throughBlockStages(
  context: RunContext,
  findings: BlockFindings,
  { blockReport }: Pick<LinearEvents, 'blockReport'>,
  signal?: AbortSignal,
): OperatorFunction<PrunedLinear, PrunedLinear> {
  const { blockStages: steps, stopwatch, emit, guard } = context;
  if (steps.length === 0) return map((linear) => linear);
  const { block } = findings;
  const encoding = context.options.encoding?.encoding;
  const options = {
    surroundings: surroundingsOf(context, block, signal),
    ...blockReport,
    tune: tuneBlock(context),
    guard: { ...guard, signal },
  };
  return (linears$) =>
    linears$.pipe(
      toArray(),
      // Of a block that stays dense, as it is in the checkpoint, there is nothing to change.
      filter((linears) => linears.length > 0 || tunesDense(context, block)),
      concatMap((linears) => {
        const pruned: PrunedBlock = { block, linears, tensors: new Map(), reports: [] };
        return from([pruned]).pipe(
          blockStages(steps, () => options),
          stopwatch.measure('tune', { 'esparse.block': block }),
        );
      }),
      concatMap(({ linears, tensors, reports }) => {
        for (const [slot, values] of tensors) findings.tensors.set(slot, values);
        findings.reports.push(...reports);
        for (const { stage, report } of reports) emit({ event: 'stage', block, stage, report });
        return linears;
      }),
      // Last: what block stages change are packed weights.
      encoding === undefined ? identity : encodePacked(encoding, options.guard),
    );
}

/** What surrounds the linears of a block. */
function surroundingsOf(context: RunContext, block: number, signal?: AbortSignal) {
  const { options, checkpoint } = context;
  const { program, hidden } = languageModel(context.description);
  return {
    program: program.blocks[kindOf(program, block)]!,
    tensors: blockTensors(context, block).map(({ slot, name, shape }): BlockTensor => {
      const { dtype } = checkpoint.info(name);
      return {
        ...{ slot, shape, dtype: storedDtype(dtype) },
        values: async () => tensorToF32(dtype, await checkpoint.read(name, signal)),
      };
    }),
    sequences: options.samples,
    seqlen: options.seqlen,
    hidden,
    states: () => blockStates(context, block, signal),
  };
}
