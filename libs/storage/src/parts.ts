/** Bytes of several pieces together. */
export function totalOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
}

/** Pieces as one; a single one as it is, not copied. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
}

/**
 * Cuts pieces, one behind the other, into parts of `size` bytes and a shorter last one. A part within one piece is a view
 * of it; only one that spans two is copied.
 */
export function* partsOf(pieces: readonly Uint8Array[], size: number): Generator<Uint8Array> {
  let part: Uint8Array[] = [];
  let room = size;
  for (const piece of pieces) {
    for (let at = 0; at < piece.byteLength;) {
      const taken = piece.subarray(at, at + room);
      part.push(taken);
      at += taken.byteLength;
      room -= taken.byteLength;
      if (room > 0) continue;
      yield joined(part);
      part = [];
      room = size;
    }
  }
  if (part.length > 0) yield joined(part);
}
