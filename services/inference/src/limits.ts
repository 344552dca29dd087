/** Every number that bounds what a client can ask for or hold, with its reason. Options change those marked so. */

/** Body of a request, in bytes (option). A prompt of 4096 tokens has some 20 KB; parsing 1 MiB of JSON takes under 10 ms. */
export const MAX_BODY_BYTES = 1024 * 1024;

/** Characters of one prompt: their tokens, up to three each, are handled on the event loop. */
export const MAX_PROMPT_CHARACTERS = 256 * 1024;

/** Characters for each token of the context at most: text has 4, and a prompt with more than 16 does not fit. */
export const MAX_CHARACTERS_PER_TOKEN = 16;

/** Prompts of one completion request. */
export const MAX_PROMPTS = 32;

/** Texts for one prompt: the field `n`. */
export const MAX_N = 16;

/** Stop strings (OpenAI: 4; tasks of lm-evaluation-harness have up to a dozen), and characters of each: as much text is held back. */
export const MAX_STOPS = 16;
export const MAX_STOP_CHARACTERS = 256;

/** Messages of a chat. */
export const MAX_MESSAGES = 1024;

/** Values in a body (prompts as token ids excepted), and how deep they nest: checked before anything is validated. */
export const MAX_BODY_VALUES = 8_000;
export const MAX_BODY_DEPTH = 16;

/** Entries of all lists of a body, token ids too: more than 32 prompts of 4096 tokens. Parsing them takes 5 ms. */
export const MAX_LIST_ENTRIES = 150_000;

/** Most probable tokens that are reported beside each token: completions (OpenAI: 5) and chats (OpenAI: 20). */
export const MAX_COMPLETION_LOGPROBS = 5;
export const MAX_CHAT_LOGPROBS = 20;

/** Log-probabilities reported in one answer, over all its texts, echoed prompts included: writing so many as JSON takes 10 ms. */
export const MAX_REPORTED_LOGPROBS = 32 * 1024;

/** Tokens of a completion that says nothing (OpenAI: 16), and of a chat answer: memory is reserved for all of them. */
export const DEFAULT_COMPLETION_TOKENS = 16;
export const DEFAULT_CHAT_TOKENS = 1024;

/** Sequences that run at once (option): up to about this many, decoding is bound by memory. */
export const DEFAULT_MAX_SEQUENCES = 16;

/** Texts that wait (option): sixteen batches' worth. Beyond it a client had better come back later. */
export const DEFAULT_MAX_QUEUE = 256;

/** How long a refusal for a full queue is held back: clients that try again at once must not take time from others. */
export const REFUSAL_DELAY_MS = 100;

/**
 * Prefill tokens of a step while no text is being generated, and while some are and wait for them: on a GPU as many as
 * fill its tensor cores, and as take some ten milliseconds of those who wait.
 */
export function stepPrefillTokens(device: string | undefined): {
  readonly prefillTokens: number;
  readonly mixedPrefillTokens: number;
} {
  return device?.startsWith('cuda') === true
    ? { prefillTokens: 2048, mixedPrefillTokens: 512 }
    : { prefillTokens: 128, mixedPrefillTokens: 32 };
}

/** A request from its acceptance to its last token (option), in seconds: its slots are never held for longer. */
export const DEFAULT_REQUEST_SECONDS = 600;

/** How long running requests may take to end when the server is asked to stop (option). */
export const DEFAULT_DRAIN_SECONDS = 30;

/** Connections (option): a stream holds one each; files and memory are reserved for each. */
export const DEFAULT_MAX_CONNECTIONS = 1024;

/** Headers must be complete after 10 s and the whole request after 30: a client that trickles bytes holds no socket. */
export const HEADERS_TIMEOUT_MS = 10_000;
export const BODY_TIMEOUT_MS = 30_000;

/** An idle connection is kept for the next request of its client. */
export const KEEP_ALIVE_MS = 75_000;

/** Silence after which the system asks whether the peer is still there: finds half-open connections. */
export const TCP_KEEP_ALIVE_MS = 30_000;

/** Bytes of all headers. */
export const MAX_HEADER_BYTES = 16 * 1024;

/** Text and probabilities that a client has not read yet, in bytes: beyond it the request is refused as a slow client's. */
export const MAX_UNREAD_BYTES = 1024 * 1024;

/** How long a client may take to read what its connection holds before the request is cancelled. */
export const UNREAD_TIMEOUT_MS = 30_000;

/** Time that a chat template may take, and memory: that of JavaScript, and of its whole process. */
export const TEMPLATE_TIMEOUT_MS = 2_000;
export const TEMPLATE_HEAP_MIB = 128;
export const TEMPLATE_PROCESS_MIB = 512;

/** How often `--watch` looks at the store. */
export const WATCH_INTERVAL_MS = 2_000;
