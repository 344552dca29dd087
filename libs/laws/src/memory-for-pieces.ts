/** The memory of a device that computes nothing: see `memoryForPieces`. */
export interface MemoryForPieces {
  /** What a device has for it. */
  readonly memory: {
    allocate(bytes: number): { readonly address: number; readonly bytes: number };
    release(piece: { readonly address: number }): void;
  };
  /** Addresses of the pieces that have not been given back. */
  readonly held: ReadonlySet<number>;
  /** How often memory has been asked for. */
  readonly asked: () => number;
}

/**
 * Memory that has room for so many pieces, and then for none, for tests that nothing is left there. Giving back what is not held throws.
 *
 * @param noRoom - thrown where there is none
 */
export function memoryForPieces(pieces: number, noRoom: Error): MemoryForPieces {
  const held = new Set<number>();
  let asked = 0;
  return {
    memory: {
      allocate(bytes) {
        if (asked++ >= pieces) throw noRoom;
        held.add(asked);
        return { address: asked, bytes };
      },
      release({ address }) {
        if (!held.delete(address)) throw new Error('released twice');
      },
    },
    held,
    asked: () => asked,
  };
}
