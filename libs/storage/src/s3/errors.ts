import { EsparseError, isEsparseError, messageOf, type ErrorKind } from '@esparse/errors';
import { withoutSecrets } from '../secrets.ts';

/** What is known of an error of the SDK. */
interface Facts {
  /** S3's code, or the system's, or the class of the error. */
  readonly code: string;
  readonly status: number | undefined;
  /** The region that the bucket is in, where S3 names it. */
  readonly region: string | undefined;
}

/** Codes of a connection that did not come about, or ended early. */
const NETWORK = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ETIMEDOUT',
  'TimeoutError',
  'ERR_STREAM_PREMATURE_CLOSE',
]);

/** Answers of a server that may do better next time. */
const BROKEN = new Set([429, 500, 502, 503, 504]);

/** Whether an object is not there (as opposed to its bucket). */
export function isAbsent(error: unknown): boolean {
  const { code, status } = factsOf(error);
  return (
    code === 'NoSuchKey' ||
    code === 'NotFound' ||
    (status === 404 && code !== 'NoSuchBucket' && code !== 'NoSuchUpload')
  );
}

/** Whether a condition on a write, or on a read, did not hold. */
export function isConditionFailed(error: unknown): boolean {
  const { code, status } = factsOf(error);
  return code === 'PreconditionFailed' || status === 412;
}

export function isCode(error: unknown, ...codes: readonly string[]): boolean {
  return codes.includes(factsOf(error).code);
}

/** Whether to ask again can help. */
export function isBroken(error: unknown): boolean {
  const { code, status } = factsOf(error);
  return NETWORK.has(code) || BROKEN.has(status ?? 0) || messageOf(error) === 'aborted';
}

/** Where a request went, for messages. */
export interface Where {
  readonly bucket: string;
  readonly endpoint: string;
}

/** An error of the SDK as an esparse error that says what was tried, on what, and what to do. */
export function s3Error(
  action: string,
  key: string,
  { bucket, endpoint }: Where,
  error: unknown,
): EsparseError {
  if (isEsparseError(error)) return error;
  const facts = factsOf(error);
  const place = `s3://${bucket}${key === '' ? '' : `/${key}`}`;
  const fail = (kind: ErrorKind, why: string, hint?: string) =>
    new EsparseError(kind, `cannot ${action} ${place}: ${why}`, { hint, cause: error });
  const server = withoutSecrets(endpoint);
  if (facts.code === 'AbortError') return new EsparseError('cancelled', 'cancelled', { cause: error });
  if (facts.code === 'NoSuchBucket') {
    return fail('store', `${server} has no bucket ${bucket}`, 'make the bucket, or check AWS_ENDPOINT_URL');
  }
  if (isRegion(facts)) {
    const region = facts.region ?? 'its region';
    return fail('usage', 'the bucket is in another region', `set AWS_REGION to ${region}`);
  }
  if (/region is missing/i.test(messageOf(error))) {
    return fail('usage', 'no region is known', 'set AWS_REGION, or the region of your AWS profile');
  }
  if (facts.code === 'CredentialsProviderError') {
    return fail(
      'denied',
      'no credentials were found',
      'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE',
    );
  }
  if (facts.status === 401 || facts.status === 403 || facts.code === 'AccessDenied') {
    return fail(
      'denied',
      `${server} refuses it (${facts.code})`,
      'check the credentials, and that they may list the bucket and get, put and delete its objects; without s3:ListBucket, what is not there is refused, too',
    );
  }
  if (facts.status === 507 || facts.code === 'QuotaExceeded' || facts.code === 'XMinioStorageFull') {
    return fail(
      'space',
      `there is no space left (${facts.code})`,
      'free some space, or choose another --store',
    );
  }
  if (isBroken(error)) {
    return fail(
      'unavailable',
      `${server} cannot be reached, or does not answer as it should (${facts.code})`,
      'check AWS_ENDPOINT_URL and the network, then run again: what is committed stays',
    );
  }
  return fail('store', `${messageOf(error)} (${facts.code})`);
}

function isRegion({ code, status, region }: Facts): boolean {
  if (
    ['PermanentRedirect', 'IllegalLocationConstraintException', 'AuthorizationHeaderMalformed'].includes(code)
  )
    return true;
  return status === 301 || status === 307 || (status === 400 && region !== undefined);
}

function factsOf(error: unknown): Facts {
  if (typeof error !== 'object' || error === null)
    return { code: 'unknown', status: undefined, region: undefined };
  const { name, code, Code, $metadata, $response, Region } = error as Record<string, unknown>;
  const headers = (($response as Record<string, unknown> | undefined)?.headers ?? {}) as Record<
    string,
    unknown
  >;
  const system = typeof code === 'string' ? code : undefined;
  return {
    code: system ?? text(Code) ?? text(name) ?? 'unknown',
    status: ($metadata as { httpStatusCode?: number } | undefined)?.httpStatusCode,
    region: text(headers['x-amz-bucket-region']) ?? text(Region),
  };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
