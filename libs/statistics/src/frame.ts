import { EsparseError } from '@esparse/errors';

/** Bytes before the header: a magic of 8 ASCII letters, then the header's length as u32. */
const PREFIX = 12;
/** Most bytes of a header: room for the names of some thousand states, small beside any state. */
export const MAX_HEADER = 2 ** 20;

/** Joins a JSON header and bodies: magic, u32 length, header, bodies. Numbers are little-endian. */
export function writeFrame(magic: string, header: object, bodies: readonly Uint8Array[]): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(header));
  if (text.length > MAX_HEADER) {
    throw new EsparseError(
      'unsupported',
      `the header of a sketch takes ${text.length} bytes, over ${MAX_HEADER}`,
    );
  }
  const size = bodies.reduce((sum, body) => sum + body.length, PREFIX + text.length);
  const bytes = new Uint8Array(size);
  bytes.set(new TextEncoder().encode(magic));
  new DataView(bytes.buffer).setUint32(8, text.length, true);
  bytes.set(text, PREFIX);
  let at = PREFIX + text.length;
  for (const body of bodies) {
    bytes.set(body, at);
    at += body.length;
  }
  return bytes;
}

/** The two parts of a frame, the header checked to be an object and no more. */
export function readFrame(
  magic: string,
  bytes: Uint8Array,
  what: string,
): { header: Header; body: Uint8Array } {
  const start = new TextDecoder('latin1').decode(bytes.subarray(0, 8));
  if (bytes.length < PREFIX || start !== magic) throw damaged(what, 'it does not start as one');
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(8, true);
  if (length > MAX_HEADER || length > bytes.length - PREFIX)
    throw damaged(what, 'its header is cut short or too long');
  const end = PREFIX + length;
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(PREFIX, end)));
  } catch (cause) {
    throw damaged(what, 'its header is not JSON', cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw damaged(what, 'its header is not an object');
  }
  return { header: new Header(value as Readonly<Record<string, unknown>>, what), body: bytes.subarray(end) };
}

/** The error for bytes that cannot be what they are said to be. */
export function damaged(what: string, why: string, cause?: unknown): EsparseError {
  return new EsparseError('protocol', `${what} is damaged or of another format: ${why}`, {
    hint: 'compute it again, with the same version of esparse everywhere',
    cause,
  });
}

/** Typed access to the fields of a header that is not checked yet. */
export class Header {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #what: string;

  constructor(fields: Readonly<Record<string, unknown>>, what: string) {
    this.#fields = fields;
    this.#what = what;
  }

  /** Any own field. */
  get(name: string): unknown {
    return Object.hasOwn(this.#fields, name) ? this.#fields[name] : undefined;
  }

  /** A string. */
  text(name: string): string {
    const value = this.get(name);
    if (typeof value !== 'string') throw damaged(this.#what, `"${name}" in its header is not a text`);
    return value;
  }

  /** A whole number from `min` to `max`. */
  whole(name: string, min: number, max: number): number {
    const value = this.get(name);
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
    throw damaged(this.#what, `"${name}" in its header is not a whole number from ${min} to ${max}`);
  }

  /** A list of at most `max` values. */
  list(name: string, max: number): readonly unknown[] {
    const value = this.get(name);
    if (!Array.isArray(value) || value.length > max) {
      throw damaged(this.#what, `"${name}" in its header is not a list of at most ${max}`);
    }
    return value as readonly unknown[];
  }
}
