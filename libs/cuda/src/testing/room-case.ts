/** Run in a process that has an emulated GPU of 64 MB: what devices that are open on it beside each other, or not, leave for each other. */
import { isEsparseError } from '@esparse/errors';
import { CudaArithmetic } from '../arithmetic.ts';

const MB = 1e6;

/** How 50 MB end where another device holds 40 MB that it does not use, or does. */
function outcome({ isBeside, isUsed }: { readonly isBeside: boolean; readonly isUsed: boolean }): string {
  const first = CudaArithmetic.open();
  const second = CudaArithmetic.open(0, isBeside ? first : undefined);
  try {
    const memory = first.allocate(40 * MB);
    if (!isUsed) first.release(memory);
    second.release(second.allocate(50 * MB));
    return 'room';
  } catch (error) {
    if (!isEsparseError(error)) throw error;
    return error.kind;
  } finally {
    second.close();
    first.close();
  }
}

const beside = outcome({ isBeside: true, isUsed: false });
const used = outcome({ isBeside: true, isUsed: true });
const apart = outcome({ isBeside: false, isUsed: false });
process.stdout.write(JSON.stringify({ beside, used, apart }));
