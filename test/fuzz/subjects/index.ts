import type { Subject } from '../subject.ts';

/** Each in a module of its own, loaded in the process that tries it. */
export const SUBJECTS = {
  stores: async () => (await import('./stores.ts')).stores,
  checkpoints: async () => (await import('./checkpoints.ts')).checkpoints,
  headers: async () => (await import('./headers.ts')).headers,
  tokenizers: async () => (await import('./tokenizers.ts')).tokenizers,
  requests: async () => (await import('./requests.ts')).requests,
  calls: async () => (await import('./calls.ts')).calls,
} satisfies Readonly<Record<string, () => Promise<Subject>>>;

export type SubjectName = keyof typeof SUBJECTS;
