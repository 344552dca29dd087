import { EsparseError, messageOf } from '@esparse/errors';

/** Deeper than any real config; keeps recursive walks over the parsed value off the end of the stack. */
const MAX_DEPTH = 64;

/**
 * Parses a JSON object from bytes that nobody vouches for: UTF-8 is checked, a key given twice is refused (parsers
 * disagree on which one counts), and nesting is limited.
 *
 * @param where how messages name the text
 */
export function parseJsonObject(bytes: Uint8Array, where: string): Record<string, unknown> {
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    value = JSON.parse(text);
  } catch (error) {
    throw new EsparseError('checkpoint', `${where} is not JSON: ${messageOf(error)}`, { cause: error });
  }
  checkKeysAndDepth(text, where);
  if (!isObject(value)) throw new EsparseError('checkpoint', `${where} is not a JSON object`);
  return value;
}

/** Whether a parsed JSON value is an object, not an array or null. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * JSON with the keys of every object sorted by code unit, and without spaces: one text for one value, as digests and
 * fingerprints need it. Members that are undefined are left out.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const entries = Object.keys(value)
    .filter((key) => value[key] !== undefined)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`);
  return `{${entries.join(',')}}`;
}

/** Walks over text that `JSON.parse` has accepted, to find what that passes over: repeated keys, deep nests. */
function checkKeysAndDepth(text: string, where: string): void {
  /** For each open bracket: the keys so far of an object, or null for an array. */
  const open: (Set<string> | null)[] = [];
  let keyIsNext = false;
  for (let i = 0; i < text.length; i++) {
    const mark = text.charAt(i);
    switch (mark) {
      case '{':
      case '[':
        open.push(mark === '{' ? new Set() : null);
        keyIsNext = mark === '{';
        if (open.length > MAX_DEPTH) {
          throw new EsparseError('checkpoint', `${where} is nested deeper than ${MAX_DEPTH} levels`);
        }
        break;
      case '}':
      case ']':
        open.pop();
        keyIsNext = false;
        break;
      case ',':
        keyIsNext = open.at(-1) instanceof Set;
        break;
      case '"': {
        const end = endOfString(text, i);
        if (keyIsNext) addKey(open.at(-1), text.slice(i, end), where);
        keyIsNext = false;
        i = end - 1;
        break;
      }
    }
  }
}

function addKey(keys: Set<string> | null | undefined, quoted: string, where: string): void {
  const key = quoted.includes('\\') ? (JSON.parse(quoted) as string) : quoted.slice(1, -1);
  if (keys?.has(key) === true) {
    throw new EsparseError('checkpoint', `${where} gives the key ${JSON.stringify(key)} twice`);
  }
  keys?.add(key);
}

/** The position after the closing quote of the string that opens at `start`. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text[end - 1 - slashes] === '\\') slashes++;
    if (slashes % 2 === 0) return end + 1;
  }
}
