import { EsparseError } from '@esparse/errors';
import type { Engine, StepPart, StepResults } from './engine.ts';
import type { Sequence } from './paging/sequence.ts';

/**
 * Makes one engine of several that have the same model on devices of their own. A sequence belongs to one of them, the one
 * with the fewest sequences that has room for it, from its reservation to its end; what it is given does not depend on which.
 * A step runs on all of them at the same time.
 */
export function createReplicas(engines: readonly Engine[]): Engine {
  const [first] = engines as readonly [Engine];
  const owners = new WeakMap<Sequence, number>();
  const held = engines.map(() => new Set<Sequence>());
  const sum = (of: (engine: Engine) => number) => engines.reduce((total, engine) => total + of(engine), 0);
  const loads = () => {
    for (const sequences of held) {
      for (const sequence of sequences) if (sequence.released) sequences.delete(sequence);
    }
    return held.map(({ size }) => size);
  };

  const ownerOf = (sequence: Sequence): number => {
    const owner = owners.get(sequence);
    if (owner === undefined) throw new EsparseError('usage', 'a step was given a sequence of another engine');
    return owner;
  };

  const step = async (parts: readonly StepPart[], signal: AbortSignal | undefined) => {
    const groups = new Map<number, number[]>();
    for (const [i, { sequence }] of parts.entries()) {
      const owner = ownerOf(sequence);
      groups.set(owner, [...(groups.get(owner) ?? []), i]);
    }
    if (groups.size === 0) return first.step(parts, signal);
    const lengths = parts.map(({ sequence }) => sequence.length);
    const outputs = new Array<unknown>(parts.length);
    const steps = [...groups].map(async ([owner, places]) => {
      const some = await engines[owner]!.step(
        places.map((i) => parts[i]!),
        signal,
      );
      places.forEach((i, at) => (outputs[i] = some[at]));
    });
    const failed = (await Promise.allSettled(steps)).find((settled) => settled.status === 'rejected');
    if (failed === undefined) return outputs;
    // After an error no sequence has changed, on whichever device.
    for (const [i, { sequence }] of parts.entries()) {
      if (!sequence.released && sequence.length > lengths[i]!) sequence.rewind(lengths[i]!);
    }
    throw failed.reason;
  };

  // A sequence has its pages on one device.
  const maxContext = Math.min(
    ...engines.map((engine) => Math.min(engine.maxContext, engine.pages * engine.pageTokens)),
  );

  return {
    ...first,
    device: { ...first.device, replicas: engines.length },
    verified: Promise.all(engines.map(({ verified }) => verified)).then(() => undefined),
    maxContext,
    pages: sum(({ pages }) => pages),
    usage: () => engines.flatMap((engine) => engine.usage()),
    failure: () => engines.map((engine) => engine.failure()).find((error) => error !== undefined),
    freePages: () => sum((engine) => engine.freePages()),
    replicaOf: ownerOf,
    reserve(tokens, sampling) {
      if (tokens > maxContext) {
        throw new EsparseError('usage', `a sequence of ${tokens} tokens: at most ${maxContext} fit`);
      }
      const load = loads();
      const order = engines
        .map((_, i) => i)
        .sort((a, b) => load[a]! - load[b]! || engines[b]!.freePages() - engines[a]!.freePages() || a - b);
      for (const i of order) {
        const sequence = engines[i]!.reserve(tokens, sampling);
        if (sequence === undefined) continue;
        owners.set(sequence, i);
        held[i]!.add(sequence);
        return sequence;
      }
      return undefined;
    },
    step<const P extends readonly StepPart[]>(parts: P, signal?: AbortSignal) {
      return step(parts, signal) as Promise<unknown> as Promise<StepResults<P>>;
    },
    async close() {
      await Promise.all(engines.map((engine) => engine.close()));
    },
  };
}
