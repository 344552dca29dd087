import { EsparseError } from '@esparse/errors';
import { withoutSecrets } from '../secrets.ts';
import type { BucketConnection } from './bucket-connection.ts';
import { MAX_PAGES } from './limits.ts';

/**
 * The pages of a list, each asked for with the mark of the one before.
 *
 * @param what is listed, for messages: 's3://bucket/prefix'
 * @param markOf what the next page is asked for with; undefined behind the last page
 * @throws EsparseError 'unsupported' where a mark comes back, or pages do not end: such a list would go on for ever
 */
export async function* pagesOf<Page, Mark>(
  { endpoint }: BucketConnection,
  what: string,
  ask: (mark: Mark | undefined) => Promise<Page>,
  markOf: (page: Page) => Mark | undefined,
): AsyncGenerator<Page> {
  const seen = new Set<string>();
  let mark: Mark | undefined;
  do {
    const page = await ask(mark);
    yield page;
    mark = markOf(page);
    const text = JSON.stringify(mark);
    if (mark !== undefined && (seen.has(text) || seen.size >= MAX_PAGES)) {
      throw new EsparseError(
        'unsupported',
        `${withoutSecrets(endpoint)} lists ${what} without an end: ` +
          (seen.has(text) ? 'it gives the same page again' : `it gives more than ${MAX_PAGES} pages`),
        { hint: 'the server, or one between, does not keep to continuation tokens: address S3 itself' },
      );
    }
    seen.add(text);
  } while (mark !== undefined);
}
