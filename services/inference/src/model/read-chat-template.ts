import { readFile, stat } from 'node:fs/promises';
import { EsparseError, isRequestError, messageOf } from '@esparse/errors';
import type { ChatRenderer } from './chat-renderer.ts';
import { SPECIAL_TOKENS } from './chat-template.ts';

/** Bytes of a template's file; the longest public ones have some ten thousand. */
const MAX_BYTES = 1024 * 1024;

/**
 * Reads the file of a chat template, and tries it on a chat of one message.
 *
 * @throws EsparseError 'usage' where it cannot be read, is no template, or cannot write that chat
 */
export async function readChatTemplate(file: string, renderer: ChatRenderer): Promise<string> {
  const source = await readSource(file);
  const specialTokens = Object.fromEntries(SPECIAL_TOKENS.map((name) => [name, `<${name}>`]));
  try {
    await renderer.render({ source, specialTokens }, [{ role: 'user', content: 'Hello' }]);
    return source;
  } catch (error) {
    if (!isRequestError(error) || error.kind !== 'invalid') throw error;
    throw new EsparseError('usage', `${file} does not write a chat of one message: ${error.message}`, {
      hint: 'give a Jinja template as in chat_template.jinja of a checkpoint',
      cause: error,
    });
  }
}

async function readSource(file: string): Promise<string> {
  try {
    const { size } = await stat(file);
    if (size > MAX_BYTES) throw new Error(`it has ${size} bytes, and a template at most ${MAX_BYTES}`);
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file));
  } catch (error) {
    throw new EsparseError('usage', `the chat template in ${file} cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
