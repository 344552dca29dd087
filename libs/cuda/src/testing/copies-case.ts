/** Run in a process that has two emulated GPUs: copies that other threads wait for, and those between GPUs. */
import { isEsparseError } from '@esparse/errors';
import { CudaArithmetic } from '../arithmetic.ts';

const COUNT = 3_000_000;

const [gpu, other] = [CudaArithmetic.open(0), CudaArithmetic.open(1)];
const numbers = Float32Array.from({ length: COUNT }, (_, i) => i);
const here = gpu.allocate(numbers.byteLength);
const there = other.allocate(numbers.byteLength);

/** Whether what lies at an address, as it is asked for, are these numbers. */
async function holds(of: CudaArithmetic, address: number): Promise<boolean> {
  const found = new Float32Array(COUNT);
  await of.downloadLater(address, found);
  return found.every((value, i) => value === i);
}

async function outcomes() {
  await gpu.uploadLater(here.address, numbers);
  const brought = await holds(gpu, here.address);
  other.copyFrom(there.address, gpu, here.address, numbers.byteLength);
  const copied = await holds(other, there.address);
  // Large and small ones at once, again and again.
  for (let round = 0; round < 20; round++) {
    const few = Array.from({ length: 2 }, () => gpu.downloadLater(here.address, new Float32Array(4)));
    await Promise.all([...few, holds(gpu, here.address)]);
  }
  return { brought, copied, beyond: await refusal() };
}

async function refusal(): Promise<string> {
  try {
    await gpu.uploadLater(here.address + here.bytes, numbers);
    return 'none';
  } catch (error) {
    if (!isEsparseError(error)) throw error;
    return error.kind;
  }
}

const found = await outcomes();
gpu.close();
other.close();
process.stdout.write(JSON.stringify(found));
