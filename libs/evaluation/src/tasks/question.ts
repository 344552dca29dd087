/** A multiple-choice question, in the one form that the lines of all sets are brought to. */
export interface Question {
  readonly choices: readonly Choice[];
  /** Index of the right choice. */
  readonly answer: number;
}

/** A choice: the likelihood of `continuation` after `context` is its score. */
export interface Choice {
  readonly context: string;
  readonly continuation: string;
  /** The choice as it is written: its length is what a normalised score is divided by. */
  readonly text: string;
}
