import { MAX_LEVEL, type Numbers } from '../src/data.ts';

/** Gives the numbers that the data point to. */
export type NumberReader = (numbers: Numbers) => Float64Array;

/** Unpacks the attachment of the page. */
export async function readAttachment(base64: string): Promise<Uint8Array> {
  const text = atob(base64);
  const packed = new Uint8Array(text.length);
  for (let i = 0; i < packed.length; i++) packed[i] = text.charCodeAt(i);
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  return new Uint8Array(await new Response(unpacked).arrayBuffer());
}

/** Reads numbers of an attachment; those that were read once are kept. */
export function numberReader({ buffer }: Uint8Array): NumberReader {
  const known = new Map<number, Float64Array>();
  return (numbers) => {
    let read = known.get(numbers.at);
    if (read === undefined) {
      read = unpack(buffer as ArrayBuffer, numbers);
      known.set(numbers.at, read);
    }
    return read;
  };
}

function unpack(buffer: ArrayBuffer, numbers: Numbers): Float64Array {
  const { at, length } = numbers;
  if (numbers.as === 'u8') return Float64Array.from(new Uint8Array(buffer, at, length));
  if (numbers.as === 'f32') return Float64Array.from(new Float32Array(buffer, at, length));
  if (numbers.as === 'i32') return Float64Array.from(new Int32Array(buffer, at, length));
  const raw = new Uint16Array(buffer, at, length);
  if (numbers.as !== 'levels') return Float64Array.from(raw);
  const { low, high, log } = numbers;
  if (!log) return Float64Array.from(raw, (level) => low + (level / MAX_LEVEL) * (high - low));
  return Float64Array.from(raw, (level) =>
    level === 0 ? 0 : Math.exp(low + ((level - 1) / (MAX_LEVEL - 1)) * (high - low)),
  );
}
