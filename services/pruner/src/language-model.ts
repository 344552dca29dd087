import { EsparseError } from '@esparse/errors';
import { isGraph, type AnyModel, type ModelDescription } from '@esparse/model';

/** The model where it has tokens and hidden states of one width. @throws EsparseError 'internal' for a graph, which was to be refused before */
export function languageModel(description: AnyModel): ModelDescription {
  if (!isGraph(description)) return description;
  throw new EsparseError('internal', 'a graph has no hidden states of one width');
}
