import type { S3Client } from '@aws-sdk/client-s3';
import type { BucketConnection } from '../s3/bucket-connection.ts';

/** One request, as a server is asked: the name of its command ('PutObject') and its input. */
export interface Asked {
  readonly command: string;
  readonly input: Readonly<Record<string, unknown>>;
}

/** A connection without a server: a function answers every request, or throws. What was asked is in `asked`. */
export function answeringBucket(
  answer: (asked: Asked, count: number) => unknown,
): BucketConnection & { readonly asked: Asked[] } {
  const asked: Asked[] = [];
  const send = async (command: { constructor: { name: string }; input: Asked['input'] }) => {
    await Promise.resolve();
    asked.push({ command: command.constructor.name.replace(/Command$/, ''), input: command.input });
    return answer(asked.at(-1)!, asked.length);
  };
  return {
    client: { send } as unknown as S3Client,
    gate: (task) => task(),
    attempts: 3,
    endpoint: 'S3',
    bucket: 'models',
    asked,
  };
}

/** An error as the SDK throws it for a refused request. */
export function s3Refusal(code: string, status: number): Error {
  return Object.assign(new Error(code), { name: code, $metadata: { httpStatusCode: status } });
}
