import { EsparseError } from '@esparse/errors';
import { request, type HttpPlace } from '../http/request.ts';
import { withTries } from '../http/tries.ts';

/** A page of a listing has a thousand files at most; what is larger is no answer of the hub. */
const MAX_ANSWER_BYTES = 16 << 20;

/** The whole answer to a request, asked for again where the server or the network fails. @throws EsparseError as `place` says */
export function readAnswer(place: HttpPlace, signal: AbortSignal | undefined): Promise<Response> {
  const { href } = place.url;
  return withTries(
    href,
    signal,
    () =>
      request(
        place,
        { method: 'GET', headers: { accept: 'application/json' } },
        signal,
        async (answer, pace) => {
          if (!answer.ok) throw place.refusal!(answer);
          const chunks: Uint8Array[] = [];
          let bytes = 0;
          for await (const chunk of (answer.body ?? []) as AsyncIterable<Uint8Array>) {
            pace.received(chunk.byteLength);
            bytes += chunk.byteLength;
            if (bytes > MAX_ANSWER_BYTES) throw tooLong(href);
            chunks.push(chunk);
          }
          const { status, headers } = answer;
          // What was compressed is not any more.
          const plain = new Headers(headers);
          plain.delete('content-encoding');
          plain.delete('content-length');
          return new Response(Buffer.concat(chunks), { status, headers: plain });
        },
      ),
    place.refusal,
  );
}

function tooLong(href: string): EsparseError {
  return new EsparseError('store', `${href}: the answer has more than ${MAX_ANSWER_BYTES} bytes`);
}
