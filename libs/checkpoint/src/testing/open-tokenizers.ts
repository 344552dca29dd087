import { Tokenizer } from 'tokenizers';
import { makeTokenizer, openTokenizer, type TextTokenizer } from '../tokenizer.ts';
import type { TokenizerFile } from '../tokenizer-files.ts';
import type { TokenizerJson } from './tokenizers.ts';

/** Opens tokenizers for tests; `close` closes all of them. */
export function openTokenizers() {
  const opened: TextTokenizer[] = [];
  const keep = async (opening: Promise<TextTokenizer>) => {
    const tokenizer = await opening;
    opened.push(tokenizer);
    return tokenizer;
  };
  return {
    at: (location: string) => keep(openTokenizer(location)),
    of: (files: readonly TokenizerFile[]) => keep(makeTokenizer(files, 'here')),
    close() {
      for (const tokenizer of opened.splice(0)) tokenizer.close();
    },
  };
}

/** The library's own tokenizer, which says what ours should. */
export function libraryTokenizer(json: TokenizerJson): Tokenizer {
  return Tokenizer.fromString(JSON.stringify({ ...json, truncation: null }));
}
