import { EsparseError } from '@esparse/errors';
import type { ModelDescription } from '@esparse/model';
import { cudaOperation } from './operations/index.ts';

/** Channels come in eights: a load of a thread, and of the tensor cores, is 16 bytes. */
const CHANNELS = 8;

/** @throws EsparseError 'unsupported' naming what of a model's blocks the GPU's kernels do not have */
export function requireBlocksRun({ family, program, taps, linears }: ModelDescription): void {
  const refuse = (what: string) => {
    throw new EsparseError(
      'unsupported',
      `the CUDA kernels do not run this ${family} model: it has ${what}`,
      {
        hint: 'use --device cpu',
      },
    );
  };
  const ops = program.blocks.flat();
  if (ops.some(({ op }) => op === 'router' || op === 'experts')) refuse('a mixture of experts');
  for (const op of ops) {
    if (cudaOperation(op) === undefined) refuse(`an operation '${op.op}'`);
    if (op.op === 'attention' && op.headDim % CHANNELS !== 0) refuse(`heads of ${op.headDim} channels`);
  }
  for (const { name, channels } of taps) {
    if (channels % CHANNELS !== 0)
      refuse(`${channels} channels in ${name}, which are no multiple of ${CHANNELS}`);
  }
  for (const { name, rows } of linears) {
    if (rows % CHANNELS !== 0) refuse(`${rows} outputs of ${name}, which are no multiple of ${CHANNELS}`);
  }
}
