/** How the next token of a row is chosen; see `kernels/choice.h`. */
export interface TokenChoice {
  /** 0 takes the likeliest. */
  readonly temperature: number;
  /** 0: among all. */
  readonly topK: number;
  /** 1: among all. */
  readonly topP: number;
  /** 0: among all. */
  readonly minP: number;
  /** 1: none. */
  readonly repetitionPenalty: number;
  /** 0: none. */
  readonly frequencyPenalty: number;
  readonly presencePenalty: number;
  /** State of the generator of its random numbers, sfc32; any at temperature 0. */
  readonly random: readonly [number, number, number, number];
  /** Whether log-probabilities are wanted. */
  readonly reports: boolean;
  /** The tokens so far, where there are penalties, and how many of them are the prompt's. */
  readonly history?: { readonly tokens: Uint32Array; readonly promptTokens: number } | undefined;
}

/** Bytes of a choice on the device. */
export const CHOICE_BYTES = 80;

/** Candidates that the device ranks at most; what may need more is chosen on the processor. */
export const MAX_CANDIDATES = 4096;
/** The largest vocabulary that the device samples from. */
export const MAX_SAMPLED_VOCAB = 2 ** 18;
/** Log-probabilities of so many of the likeliest tokens are reported at most. */
export const MAX_REPORTED = 32;
/** Bytes of a report. */
export const REPORT_BYTES = 8 + MAX_REPORTED * 12;

/** Whether a choice looks at the tokens so far. */
export function hasPenalties({
  repetitionPenalty,
  frequencyPenalty,
  presencePenalty,
}: Pick<TokenChoice, 'repetitionPenalty' | 'frequencyPenalty' | 'presencePenalty'>): boolean {
  return repetitionPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0;
}

/** Writes choices as the device reads them. */
export function choiceBytes(choices: readonly TokenChoice[], rows = choices.length): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(rows * CHOICE_BYTES));
  for (const [row, choice] of choices.entries()) {
    const at = row * CHOICE_BYTES;
    const { temperature, topP, minP, repetitionPenalty, frequencyPenalty, presencePenalty } = choice;
    [temperature, topP, minP, repetitionPenalty, frequencyPenalty, presencePenalty].forEach((value, i) => {
      bytes.setFloat64(at + 8 * i, value, true);
    });
    const { history, topK, reports, random } = choice;
    // No vocabulary is as large as the most that fits.
    const most = Math.min(Math.max(topK, 0), 2 ** 30);
    [most, history?.promptTokens ?? 0, history?.tokens.length ?? 0, Number(reports), ...random].forEach(
      (value, i) => {
        bytes.setInt32(at + 48 + 4 * i, value, true);
      },
    );
  }
  return new Uint8Array(bytes.buffer);
}

/** What the device tells of a token. */
export interface TokenReport {
  readonly logprob: number;
  /** The likeliest tokens, and their log-probabilities. */
  readonly ids: number[];
  readonly logprobs: number[];
}

/** Reads the report of a row, of the `count` likeliest tokens. */
export function readReport(bytes: Uint8Array, row: number, count: number): TokenReport {
  const view = new DataView(bytes.buffer, bytes.byteOffset + row * REPORT_BYTES, REPORT_BYTES);
  const ids = Array.from({ length: count }, (_, i) => view.getInt32(8 + 8 * MAX_REPORTED + 4 * i, true));
  const there = ids.filter((id) => id >= 0);
  return {
    logprob: view.getFloat64(0, true),
    ids: there,
    logprobs: there.map((_, i) => view.getFloat64(8 + 8 * i, true)),
  };
}
