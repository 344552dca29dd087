import { isUtf8 } from 'node:buffer';
import { RequestError } from '@esparse/errors';
import { MAX_BODY_DEPTH, MAX_BODY_VALUES, MAX_LIST_ENTRIES } from '../limits.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Parses a body. What would take the parser long, or be refused anyway, is found first by one look at its bytes: half a
 * million brackets take `JSON.parse` a quarter of a second, and every stream would wait.
 *
 * @throws RequestError `invalid`
 */
export function parseJsonBody(body: Buffer): unknown {
  if (body.length === 0) throw badJson('the body is empty: expected a JSON object');
  requireSize(body);
  // An object with such a key would take another for its prototype.
  if (!isUtf8(body) || body.includes('"__proto__"')) throw badJson('the body is not JSON as it is used here');
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw badJson('the body is not JSON');
  }
}

function badJson(message: string): RequestError {
  return new RequestError('invalid', message, { code: 'invalid_json' });
}

/** Counts brackets, colons and commas outside strings. */
function requireSize(body: Buffer): void {
  let depth = 0;
  let members = 0;
  let entries = 0;
  for (let i = 0; i < body.length; i++) {
    switch (body[i]) {
      case QUOTE:
        i = endOfString(body, i);
        break;
      case 0x5b: // [
      case 0x7b: // {
        depth++;
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth--;
        break;
      case 0x3a: // :
        members++;
        break;
      case 0x2c: // ,
        entries++;
        break;
      default:
        break;
    }
    if (depth > MAX_BODY_DEPTH || members > MAX_BODY_VALUES || entries > MAX_LIST_ENTRIES) {
      throw badJson(
        `the body has too many values or is nested too deep: at most ${MAX_BODY_VALUES} members, ` +
          `${MAX_LIST_ENTRIES} entries and ${MAX_BODY_DEPTH} levels`,
      );
    }
  }
}

/** Where the quote is that ends a string; the end of the body where there is none. */
function endOfString(body: Buffer, start: number): number {
  for (let end = body.indexOf(QUOTE, start + 1); end >= 0; end = body.indexOf(QUOTE, end + 1)) {
    let slashes = 0;
    while (body[end - 1 - slashes] === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return end;
  }
  return body.length;
}
