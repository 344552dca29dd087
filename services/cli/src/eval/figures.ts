import { endTokensOf } from '@esparse/checkpoint';
import { EsparseError } from '@esparse/errors';
import type { Engine } from '@esparse/engine';
import {
  answersOf,
  bitsPerByte,
  encodeQuestions,
  enginePerplexity,
  perplexity,
  scoreQuestions,
  type Answers,
  type EncodedChoice,
  type Perplexity,
  type PerplexityProgress,
  type QuestionSet,
} from '@esparse/evaluation';
import { openDevice, tryDevice } from '@esparse/onnx';
import type { CacheFlags } from '../options/cache.ts';
import { cacheOf } from '../options/cache.ts';
import type { VerifyFlags } from '../options/verify.ts';
import type { ModelSource } from '../model-source.ts';
import { withEngine } from '../with-engine.ts';
import { evalBackendOf, onnxDevice, type EvalBackend } from './backend.ts';
import type { EvalRequest } from './request.ts';

/** What was found of one model. */
export interface Figures {
  readonly text: TextFigures | undefined;
  readonly tasks: readonly TaskFigures[];
  readonly engine: EvalBackend;
}

export interface TextFigures extends Perplexity {
  readonly bitsPerByte: number;
  /** The whole text. */
  readonly ids: Uint32Array;
}

export interface TaskFigures {
  readonly set: QuestionSet;
  readonly answers: Answers;
  /** Choices whose contexts lost their beginning: see `scoreQuestions`. */
  readonly cut: number;
  readonly seconds: number;
}

export interface MeasureOptions extends VerifyFlags, CacheFlags {
  readonly engine?: EvalBackend;
  readonly threads?: number;
  readonly device?: string;
  readonly signal: AbortSignal;
  /** A line that says how far it is. */
  readonly onProgress: (line: string) => void;
}

/** Longer windows need a longer context than the engine gives by itself. */
const DEFAULT_CONTEXT = 4096;

/** Tokenizes everything that is asked for, ends the tokenizer, and measures. */
export async function measure(
  source: ModelSource,
  request: EvalRequest,
  options: MeasureOptions,
): Promise<Figures> {
  const { sets, seqlen, windows, bos } = request;
  const { threads, device, verify, signal } = options;
  const engine = evalBackendOf(source, { ...options, streams: sets.length === 0 });
  if (sets.length > 0 && engine === 'onnx') throw questionsOnOnnx();
  const ids = request.text && (await source.tokenizer.encode(request.text.content, { bos, signal }));
  const encoded: EncodedChoice[][][] = [];
  const [beginning] = await endTokensOf(source.tokenizerFiles, source.config, source.tokenizer);
  for (const set of sets) encoded.push(await encodeSet(set, source, beginning, bos, options));
  source.tokenizer.close();

  const ofText = async (found: Promise<Perplexity>, tokens: Uint32Array): Promise<TextFigures> => {
    const result = await found;
    return { ...result, ids: tokens, bitsPerByte: bitsPerByte(result, request.text!.content, tokens.length) };
  };
  const onProgress = showWindows(options.onProgress);
  if (engine === 'onnx') {
    return { engine, tasks: [], text: ids && (await ofText(byOnnx(source, ids, request, options), ids)) };
  }
  const maxContext = sets.length === 0 || seqlen > DEFAULT_CONTEXT ? seqlen : undefined;
  return withEngine(
    { ...source.place, ...cacheOf(options), maxContext, threads, device, verify, signal },
    async (opened, stopped) => {
      const text =
        ids &&
        (await ofText(
          enginePerplexity({ engine: opened, tokens: ids, seqlen, windows, signal: stopped, onProgress }),
          ids,
        ));
      const tasks: TaskFigures[] = [];
      for (const [i, set] of sets.entries()) {
        tasks.push(await scoreSet(opened, set, encoded[i]!, { ...options, signal: stopped }));
      }
      return { engine, text, tasks };
    },
  );
}

function encodeSet(
  set: QuestionSet,
  { tokenizer }: ModelSource,
  beginning: number | undefined,
  bos: boolean,
  { signal, onProgress }: MeasureOptions,
): Promise<EncodedChoice[][]> {
  return encodeQuestions(set, {
    ...{ tokenizer, bos, beginning, signal },
    onProgress: (done) => {
      onProgress(`tokenizing ${set.name}: ${done} of ${set.questions.length} questions`);
    },
  });
}

async function scoreSet(
  engine: Engine,
  set: QuestionSet,
  encoded: readonly (readonly EncodedChoice[])[],
  { signal, onProgress }: MeasureOptions,
): Promise<TaskFigures> {
  const started = performance.now();
  const { scores, cut } = await scoreQuestions(encoded, {
    ...{ engine, signal },
    onProgress: (done) => {
      onProgress(`scoring ${set.name}: ${done} of ${set.questions.length} questions`);
    },
  });
  const seconds = (performance.now() - started) / 1000;
  return { set, answers: answersOf(set.questions, scores), cut, seconds };
}

/** Reads the weights block by block; a store's are compared with their checksums as they are read. */
async function byOnnx(
  { description, weights }: ModelSource,
  tokens: Uint32Array,
  { seqlen, windows }: EvalRequest,
  { device: name = 'cpu', threads, signal, onProgress }: MeasureOptions,
): Promise<Perplexity> {
  const wanted = onnxDevice(name);
  await tryDevice(wanted);
  const device = await openDevice(wanted);
  try {
    const options = { description, weights, tokens, seqlen, windows, threads, device, signal };
    return await perplexity({ ...options, onProgress: showWindows(onProgress) });
  } finally {
    await device.release();
  }
}

function showWindows(show: (line: string) => void): (progress: PerplexityProgress) => void {
  return ({ done, windows, totalWindows }) => {
    show(`evaluating: ${Math.floor(100 * done)} %, ${windows} of ${totalWindows} windows`);
  };
}

function questionsOnOnnx(): EsparseError {
  return new EsparseError('usage', 'questions are scored by the native engine, not by ONNX Runtime', {
    hint: 'leave --engine onnx and --device webgpu out',
  });
}
