import { biasSlot, type ModelDescription } from './description.ts';

/** The name of a part of an expert, a linear or a tap, within its block: 'gate_proj' of the fourth is 'experts.3.gate_proj'. */
export function expertPart(expert: number, name: string): string {
  return `${prefixOf(expert)}${name}`;
}

/**
 * A mixture's blocks as one expert sees them: its linears and taps are all that there are, by the names that the experts'
 * program knows them by.
 */
export function describeExpert(description: ModelDescription, expert: number): ModelDescription {
  const prefix = prefixOf(expert);
  const own = <Spec extends { readonly name: string; readonly expert?: number }>(specs: readonly Spec[]) =>
    specs
      .filter((spec) => spec.expert === expert)
      .map((spec) => ({ ...spec, name: short(spec.name, prefix) }));
  return {
    ...description,
    linears: own(description.linears).map((linear) => ({ ...linear, tap: short(linear.tap, prefix) })),
    taps: own(description.taps),
    blockTensors: (block) =>
      description
        .blockTensors(block)
        .filter(({ slot }) => slot.startsWith(prefix))
        .map((tensor) => ({ ...tensor, slot: short(tensor.slot, prefix) })),
  };
}

/** Whether a tensor of a block, by its slot, is the bias of an expert's linear. */
export function isExpertSlot({ linears }: ModelDescription, slot: string): boolean {
  return linears.some(({ name, expert }) => expert !== undefined && biasSlot(name) === slot);
}

function prefixOf(expert: number): string {
  return `experts.${expert}.`;
}

function short(name: string, prefix: string): string {
  return name.startsWith(prefix) ? name.slice(prefix.length) : name;
}
