/** What is measured of a text. */
export interface GenerationObserver {
  /** Seconds from the request to its first token. */
  firstToken(seconds: number): void;
  /** Mean seconds between two tokens of a text that had several. */
  perToken(seconds: number): void;
}

/** Measures the tokens of one text. */
export class TokenTimes {
  readonly #observer: GenerationObserver;
  readonly #received: number;
  #tokens = 0;
  #firstAt = 0;

  /** @param received when the request came, by `performance.now()` */
  constructor(observer: GenerationObserver, received: number) {
    this.#observer = observer;
    this.#received = received;
  }

  token(): void {
    if (this.#tokens++ > 0) return;
    this.#firstAt = performance.now();
    this.#observer.firstToken((this.#firstAt - this.#received) / 1000);
  }

  /** The text has ended by itself. */
  end(): void {
    if (this.#tokens < 2) return;
    this.#observer.perToken((performance.now() - this.#firstAt) / 1000 / (this.#tokens - 1));
  }
}
