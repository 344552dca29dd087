const CHECK_MS = 20;

/** Requests under way, as the server that is being stopped sees them. */
export interface UnderWay {
  /** Texts that wait or run. */
  texts(): number;
  /** Answers that have not left yet. */
  answers(): number;
  /** Ends the texts that are left. */
  abort(): void;
}

/** How long the last bytes of answers may take to leave once every text has ended. */
const FLUSH_MS = 1_000;

/** Lets requests end by themselves for some time, ends those that are left, and lets their answers leave. */
export async function drain(requests: UnderWay, seconds: number): Promise<void> {
  await until(() => requests.texts() === 0, seconds * 1000);
  requests.abort();
  await until(() => requests.answers() === 0, FLUSH_MS);
}

/** Waits until a condition holds, at most this long. */
async function until(holds: () => boolean, milliseconds: number): Promise<void> {
  const end = performance.now() + milliseconds;
  while (!holds() && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, CHECK_MS));
  }
}
