/** Arrays that are held at most: of a block's linears each size three times, and what another model of the same run would have. */
const MOST = 32;

/** Memory of the host that is used again: to ask for it anew has V8 collect its heap for each 64 MB, and the system clear it. */
export interface ReadMemory {
  /** So many bytes, with anything in them. */
  take(bytes: number): Uint8Array;
  /** Takes back what `take` gave, as an array that has all of it. */
  give(array: ArrayBufferView): void;
}

export function createReadMemory(): ReadMemory {
  const spare: Uint8Array[] = [];
  return {
    take(bytes) {
      const at = spare.findIndex(({ byteLength }) => byteLength === bytes);
      return at < 0 ? new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer) : spare.splice(at, 1)[0]!;
    },
    give({ buffer, byteOffset, byteLength }) {
      spare.push(new Uint8Array(buffer, byteOffset, byteLength));
      // Those of other sizes are the oldest.
      if (spare.length > MOST) spare.shift();
    },
  };
}
