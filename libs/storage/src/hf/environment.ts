import { EsparseError } from '@esparse/errors';

/** The server of the hub: HF_ENDPOINT, as its own libraries have it. @throws EsparseError 'usage' for what is no address */
export function endpoint(): string {
  const { HF_ENDPOINT: text = 'https://huggingface.co' } = process.env;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isServer =
    url !== undefined && /^https?:$/.test(url.protocol) && url.username === '' && url.search === '';
  if (isServer) return url.href.replace(/\/+$/, '');
  throw new EsparseError('usage', 'HF_ENDPOINT is not the address of a server', {
    hint: 'give https://HOST, without user and query; the token goes into HF_TOKEN',
  });
}

/** What goes with every request to that server, and to no other: the token of HF_TOKEN. It is in no message. */
export function headersOf(): Readonly<Record<string, string>> {
  const token = process.env.HF_TOKEN?.trim() ?? '';
  if (token === '') return {};
  if (/^[\x21-\x7e]{1,1000}$/.test(token)) return { authorization: `Bearer ${token}` };
  throw new EsparseError('usage', 'HF_TOKEN is not a token: it has spaces or other characters than ASCII', {
    hint: 'copy it again from the settings of your account: it begins with hf_',
  });
}
