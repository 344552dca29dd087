import type { EsparseError } from '@esparse/errors';
import { MAX_CHANNELS, sameParameters } from './checks.ts';
import { damaged, readFrame, writeFrame } from './frame.ts';
import type { StatisticParameters, StatisticState } from './statistic.ts';

const MAGIC = 'esp-stat';

/** What a statistic's bytes say of themselves. */
export interface Identity {
  readonly name: string;
  readonly version: number;
  readonly parameters: StatisticParameters;
}

/** Puts a state's numbers (little-endian) behind the header that names them. */
export function seal(identity: Identity, state: StatisticState, body: Uint8Array): Uint8Array {
  const { name, version, parameters } = identity;
  const { channels, tokens } = state;
  return writeFrame(MAGIC, { name, version, byteOrder: 'little', parameters, channels, tokens }, [body]);
}

/**
 * Opens what `seal` wrote.
 *
 * @throws EsparseError `protocol` unless it is of this very statistic, with sizes within the limits.
 */
export function open(
  identity: Identity,
  bytes: Uint8Array,
  maxTokens: number,
  expectedChannels?: number,
): { channels: number; tokens: number; body: Uint8Array } {
  const what = `a state of the statistic ${identity.name}`;
  const { header, body } = readFrame(MAGIC, bytes, what);
  const name = header.text('name');
  if (name !== identity.name)
    throw damaged(what, `it is of the statistic ${JSON.stringify(name.slice(0, 64))}`);
  const version = header.whole('version', 0, Number.MAX_SAFE_INTEGER);
  if (version !== identity.version) {
    throw damaged(what, `it has version ${version}, this esparse has ${identity.version}`);
  }
  if (header.text('byteOrder') !== 'little') throw damaged(what, 'its byte order is not little-endian');
  const parameters = header.get('parameters');
  if (!isParameters(parameters) || !sameParameters(parameters, identity.parameters)) {
    throw damaged(what, `its parameters are not ${JSON.stringify(identity.parameters)}`);
  }
  const channels = header.whole('channels', 1, MAX_CHANNELS);
  if (expectedChannels !== undefined && channels !== expectedChannels) {
    throw damaged(what, `it has ${channels} channels, not ${expectedChannels}`);
  }
  const tokens = header.whole('tokens', 0, maxTokens);
  return { channels, tokens, body };
}

/** The error for bytes that a statistic cannot have written. */
export function damagedState(statistic: string, why: string): EsparseError {
  return damaged(`a state of the statistic ${statistic}`, why);
}

function isParameters(value: unknown): value is StatisticParameters {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
