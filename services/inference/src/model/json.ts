import type { TokenizerFile } from '@esparse/checkpoint';
import { EsparseError, messageOf } from '@esparse/errors';

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A file of the tokenizer as a JSON object; an empty one where it is absent. */
export function jsonOf(files: readonly TokenizerFile[], name: string): Record<string, unknown> {
  const bytes = files.find((file) => file.name === name)?.bytes;
  if (bytes === undefined) return {};
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return isObject(value) ? value : {};
  } catch (error) {
    throw new EsparseError('checkpoint', `${name} is not JSON: ${messageOf(error)}`, { cause: error });
  }
}
