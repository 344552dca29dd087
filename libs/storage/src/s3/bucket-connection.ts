import type {
  $Command,
  S3ClientResolvedConfig,
  ServiceInputTypes,
  ServiceOutputTypes,
} from '@aws-sdk/client-s3';
import type { Connection } from './connect.ts';

/** Where requests about one bucket go. */
export interface BucketConnection extends Connection {
  readonly bucket: string;
}

type Command<Input extends ServiceInputTypes, Output extends ServiceOutputTypes> = $Command<
  Input,
  Output,
  S3ClientResolvedConfig,
  ServiceInputTypes,
  ServiceOutputTypes
>;

/** Makes one request, when there is room for it among those under way. Errors are those of the SDK, see `s3Error`. */
export function send<Input extends ServiceInputTypes, Output extends ServiceOutputTypes>(
  { client, gate }: BucketConnection,
  command: Command<Input, Output>,
  signal?: AbortSignal,
): Promise<Output> {
  return gate(() => client.send(command, optionsOf(signal)));
}

/** What a request takes beside its command. */
export function optionsOf(abortSignal: AbortSignal | undefined) {
  return abortSignal === undefined ? {} : { abortSignal };
}
