import { EsparseError } from '@esparse/errors';
import { fileScheme } from './file/scheme.ts';
import { registeredSchemes, schemeOfPrefix } from './registry.ts';
import type { Location, Scheme } from './scheme.ts';

/** Longest location that is taken: paths of systems end there, and requests of workers carry no longer one. */
const MAX_LENGTH = 4096;

/**
 * Understands the text of a location: what begins with the prefix of a registered scheme and `://`, and anything
 * without a scheme as the path of a folder. Two texts that name one place have one form, see `Location.text`.
 *
 * @throws EsparseError 'usage' for another scheme, and for what the scheme refuses
 */
export function parseLocation(text: string): Location {
  const refuse = (fault: string): never => {
    throw new EsparseError('usage', `${showLocation(text.slice(0, 200))} ${fault}`, { hint: hint() });
  };
  if (text.length > MAX_LENGTH) return refuse(`is longer than ${MAX_LENGTH} characters`);
  const prefix = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1];
  const short = prefix === undefined ? shortSchemeOf(text) : undefined;
  if (prefix === undefined && short === undefined) {
    if (knownSchemeOf(text) !== undefined) return refuse('has no // behind its scheme');
    return fileScheme.parse(text, refuse);
  }
  if (/[\p{Cc}\\]/u.test(text)) return refuse('has a backslash or a control character');
  const scheme = short ?? schemeOfPrefix(prefix!);
  if (scheme !== undefined) return scheme.parse(text, refuse);
  return refuse(
    schemeOfPrefix(prefix!.toLowerCase()) === undefined
      ? `begins with ${prefix!}://, which is not known`
      : `begins with ${prefix!}:// instead of ${prefix!.toLowerCase()}://`,
  );
}

/** A location for people and logs: without user, password and query. Takes any text, also one that cannot be parsed. */
export function showLocation(text: string): string {
  return knownSchemeOf(text)?.show(text) ?? text;
}

/** The text of a location that means the same in every process of a machine, see `Location.resolve`. */
export async function resolveLocation(text: string): Promise<string> {
  return (await parseLocation(text).resolve()).text;
}

/** The name of what is at a location. */
export function nameOfLocation(text: string): string {
  return parseLocation(text).name;
}

/** The scheme that a text is meant to be of, well written or not: for messages, which must not repeat credentials. */
function knownSchemeOf(text: string): Scheme | undefined {
  const prefix = /^([a-z][a-z0-9+.-]*):/i.exec(text)?.[1];
  return prefix === undefined ? undefined : schemeOfPrefix(prefix.toLowerCase());
}

/** The scheme of a text that is written without slashes, where its scheme allows that. */
function shortSchemeOf(text: string): Scheme | undefined {
  const scheme = schemeOfPrefix(/^([a-z][a-z0-9+.-]*):/.exec(text)?.[1] ?? '');
  return scheme?.short === true ? scheme : undefined;
}

function hint(): string {
  const forms = (writable: boolean) =>
    registeredSchemes()
      .filter((scheme) => scheme.writable === writable)
      .map(({ form }) => form)
      .join(', ');
  return `give ${forms(true)} or, for a checkpoint, ${forms(false)}`;
}
