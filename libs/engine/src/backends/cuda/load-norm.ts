import type { NormProgram } from './read-block.ts';

/** The weight of a norm, with its offset. */
export async function loadNorm(
  { weight, offset }: NormProgram,
  vector: (name: string) => Promise<Float32Array>,
): Promise<Float32Array> {
  const of = await vector(weight);
  return offset === 0 ? of : of.map((value) => value + offset);
}
