import { EsparseError } from '@esparse/errors';
import { endpoint, headersOf } from './environment.ts';
import { textOf, type HubPlace } from './scheme.ts';

/** What an answer of the hub that is no success means, and what to do; it says the reason in a header. */
export function refusalOf(place: HubPlace, { status, headers }: Response): EsparseError {
  const { repo, revision } = place;
  const shown = textOf(place);
  const page = `${endpoint()}/${repo}`;
  const hasToken = 'authorization' in headersOf();
  const code = headers.get('x-error-code');
  if (code === 'GatedRepo') {
    return new EsparseError('denied', `${shown} is gated`, {
      hint: `accept its conditions at ${page}, then set HF_TOKEN to a token of that account`,
    });
  }
  if (code === 'RevisionNotFound') {
    return new EsparseError('usage', `${shown}: the model has no branch, tag or commit '${revision}'`, {
      hint: `see ${page}/commits/main`,
    });
  }
  if (status === 404 || code === 'RepoNotFound') {
    return new EsparseError('usage', `${shown}: there is no such model at ${endpoint()}`, {
      hint: hasToken
        ? 'check its name, and that the token of HF_TOKEN may read it'
        : 'check its name; a private model needs a token in HF_TOKEN',
    });
  }
  if (status === 401 || status === 403) {
    return new EsparseError('denied', `${shown} cannot be read: ${endpoint()} answered ${status}`, {
      hint: hasToken
        ? 'the token of HF_TOKEN is not valid, or may not read it'
        : 'set HF_TOKEN to a token that may read it',
    });
  }
  if (status === 429) {
    return new EsparseError('unavailable', `${shown}: ${endpoint()} limits how many requests are made`, {
      hint: hasToken
        ? 'wait some minutes, then run again'
        : 'wait some minutes, or set HF_TOKEN: who has a token may ask for more',
    });
  }
  return new EsparseError('store', `${shown} cannot be read: ${endpoint()} answered ${status}`, {
    hint: 'check HF_ENDPOINT',
  });
}
