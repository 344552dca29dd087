import { RequestError } from '@esparse/errors';

/** Why a request is given up whose client does not read what it is sent. */
export function slowClient(): RequestError {
  return new RequestError('slow_client', 'the client reads too slowly', { code: 'slow_client' });
}
