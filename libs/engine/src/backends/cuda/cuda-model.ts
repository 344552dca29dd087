import {
  LEFT_TO_HOST,
  MAX_ROWS,
  NOT_NUMBERS,
  PAGE_POSITIONS,
  type CudaDecoder,
  type RunWants,
} from '@esparse/cuda';
import { notNumbers } from '../../sampling/argmax.ts';
import { sampleToken } from '../../sampling/sample-token.ts';
import type { BackendModel, BatchPart, DeviceFacts, StepOutput, WeightBytes } from '../backend.ts';
import { numbering, passesOf, promptsOf, rowsOf, slicesOf, wantsOf, type Row } from './passes.ts';

export interface CudaModelParts {
  /** As `--device` names it. */
  readonly device: string;
  readonly decoder: CudaDecoder;
  readonly vocab: number;
  /** The longest sequence, in tokens. */
  readonly maxContext: number;
  readonly cache: { readonly pages: number; readonly pageBytes: number };
  readonly weightBytes: WeightBytes;
  readonly facts: DeviceFacts;
}

/**
 * A model on a GPU. Prompts go through the kernels of prefill, all at once; what was sampled through those of decoding, in
 * passes of `MAX_ROWS` tokens, each a graph of kernels. Which of them computes a token depends on its own text alone.
 */
export function createCudaModel({
  device,
  decoder,
  vocab,
  maxContext,
  cache,
  weightBytes,
  facts,
}: CudaModelParts): BackendModel {
  const maxPages = Math.ceil(maxContext / PAGE_POSITIONS);
  const inputs = { values: new Int32Array(MAX_ROWS * (3 + maxPages)), maxPages };
  const limits = { maxContext, vocab };
  const numberOf = numbering();
  const positionBytes = cache.pageBytes / PAGE_POSITIONS;
  let readBytes = 0;
  /** What a pass of decoding reads: all weights once, and the keys and values before each row. */
  const passBytes = (rows: readonly Row[]) =>
    rows.reduce(
      (sum, { part: { sequence }, index }) => sum + (sequence.length + index) * positionBytes,
      weightBytes.linears + (rows.some(({ wanted }) => wanted) ? weightBytes.head : 0),
    );

  const fill = (rows: readonly Row[]) => {
    for (const [row, { part, index }] of rows.entries()) {
      const { sequence, tokens } = part;
      inputs.values[row] = tokens[index]!;
      inputs.values[MAX_ROWS + row] = sequence.length + index;
      inputs.values[2 * MAX_ROWS + row] = numberOf(sequence);
      inputs.values.set(sequence.pages.subarray(0, maxPages), 3 * MAX_ROWS + row * maxPages);
    }
  };

  /** What a row gives to its part; it is the part's last, or one of those of all its logits. */
  const take = (part: BatchPart, row: number, index: number, all: Float32Array | undefined): StepOutput => {
    if (all !== undefined) {
      decoder.logits(row, all.subarray(index * vocab, (index + 1) * vocab));
      return all;
    }
    const logits = new Float32Array(vocab);
    decoder.logits(row, logits);
    return part.want === 'token' ? sampleToken(part, logits) : logits;
  };

  /** The token that the device has chosen for a part. */
  const taken = (part: BatchPart, row: number, token: number): StepOutput => {
    if (token === NOT_NUMBERS) return { error: notNumbers() };
    const { sampler, sampling } = part.sequence;
    // The device has drawn a number of the sequence's stream.
    sampler.random?.();
    return {
      token,
      logprobs: sampling.logprobs === undefined ? undefined : decoder.report(row, sampling.logprobs),
    };
  };

  /** Has the device run something, and waits for it; before that, work is begun on other devices. */
  const ran = async (begin: () => void): Promise<void> => {
    begin();
    await Promise.resolve();
    decoder.wait();
  };

  /** Runs rows, and gives each part what it wants. */
  const takeRows = async (
    rows: readonly Row[],
    wants: RunWants,
    run: (wants: RunWants) => void,
    give: (part: BatchPart, output: StepOutput) => void,
    allOf: (part: BatchPart) => Float32Array | undefined,
  ): Promise<void> => {
    await ran(() => {
      run(wants);
    });
    if (!wants.head) return;
    const left: number[] = [];
    for (const [row, { part, index, wanted }] of rows.entries()) {
      if (!wanted) continue;
      if (!wants.likeliest) give(part, take(part, row, index, allOf(part)));
      else {
        const token = decoder.chosen(row);
        if (token === LEFT_TO_HOST) left.push(row);
        else give(part, taken(part, row, token));
      }
    }
    if (left.length === 0) return;
    await ran(() => {
      run({ ...wants, likeliest: false, continues: false, choices: undefined });
    });
    for (const row of left) give(rows[row]!.part, take(rows[row]!.part, row, rows[row]!.index, undefined));
  };

  const step = async (
    parts: readonly BatchPart[],
    signal: AbortSignal | undefined,
  ): Promise<StepOutput[]> => {
    const outputs = new Map<BatchPart, StepOutput>(
      parts.map((part) => [
        part,
        part.want === 'allLogits' ? new Float32Array(part.tokens.length * vocab) : undefined,
      ]),
    );
    const all = new Map(outputs) as Map<BatchPart, Float32Array | undefined>;
    const give = (part: BatchPart, output: StepOutput) => outputs.set(part, output);
    const allOf = (part: BatchPart) => all.get(part);
    const { prompts, others } = promptsOf(parts, decoder.prefills);
    if (prompts.length > 0) {
      signal?.throwIfAborted();
      decoder.prefill(
        prompts.map(({ sequence: { length, pages }, tokens }) => ({ tokens, position: length, pages })),
      );
      readBytes += weightBytes.linears;
      const places = rowsOf(prompts).map((row, place) => ({ ...row, place }));
      const wanted = places.filter((row) => row.wanted);
      if (wanted.length === 0) await ran(() => undefined);
      for (const rows of slicesOf(wanted, MAX_ROWS)) {
        signal?.throwIfAborted();
        const head = (wants: RunWants) => {
          decoder.head(
            Int32Array.from(rows, ({ place }) => place),
            wants,
          );
        };
        const wants = { ...wantsOf(rows, limits, false), continues: false };
        await takeRows(rows, wants, head, give, allOf);
        readBytes += weightBytes.head;
      }
    }
    const passes = passesOf(others, MAX_ROWS);
    const alone = prompts.length === 0 && passes.length === 1;
    for (const rows of passes) {
      signal?.throwIfAborted();
      fill(rows);
      const run = (wants: RunWants) => {
        decoder.run(inputs, rows.length, wants);
      };
      const wants = wantsOf(rows, limits, alone);
      await takeRows(rows, wants, run, give, allOf);
      readBytes += passBytes(rows);
    }
    return parts.map((part) => outputs.get(part));
  };

  return {
    device: facts,
    weightBytes,
    pages: cache.pages,
    pageTokens: PAGE_POSITIONS,
    pageBytes: cache.pageBytes,
    run: step,
    usage: () => ({
      device,
      ...decoder.usage(),
      memoryTotal: decoder.facts.totalBytes,
      readBytes,
      readBandwidth: decoder.facts.readBandwidth,
    }),
    close() {
      decoder.close();
      return Promise.resolve();
    },
  };
}
