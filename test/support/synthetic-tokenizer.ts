/** A file of a tokenizer. */
export interface TokenizerFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The letters that tokens are made of: \u0120 is a space, as byte-level tokenizers write it. */
const LETTERS = ['\u0120', ...Array.from('abcdefghijklmnopqrstuvwxyz')];

/**
 * A byte-level BPE tokenizer of exactly `vocab` tokens: the bytes, an end token, then words of two, three and four
 * letters. Of the size and kind of a real one, for measuring what starting with it costs.
 */
export function syntheticTokenizer(vocab: number): TokenizerFile[] {
  const tokens = ['<s>', '</s>', ...byteLetters()];
  const merges: [string, string][] = [];
  for (const [left, right] of wordsInTwo()) {
    if (tokens.length >= vocab) break;
    tokens.push(left + right);
    merges.push([left, right]);
  }
  const special = (content: string, id: number) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  });
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  const tokenizer = {
    version: '1.0',
    added_tokens: [special('<s>', 0), special('</s>', 1)],
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      vocab: Object.fromEntries(tokens.slice(0, vocab).map((token, id) => [token, id])),
      merges,
    },
  };
  const settings = { bos_token: '<s>', eos_token: '</s>', tokenizer_class: 'PreTrainedTokenizerFast' };
  const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  return [
    { name: 'tokenizer.json', bytes: json(tokenizer) },
    { name: 'tokenizer_config.json', bytes: json(settings) },
  ];
}

/** Words of two, three and four letters, each in the two parts that it is merged from. */
function* wordsInTwo(): Generator<[left: string, right: string]> {
  const pairs = LETTERS.flatMap((left) => LETTERS.map((right) => left + right));
  for (const left of LETTERS) for (const right of LETTERS) yield [left, right];
  for (const left of pairs) for (const right of LETTERS) yield [left, right];
  for (const left of pairs) for (const right of pairs) yield [left, right];
}

/** How byte-level tokenizers spell the 256 bytes: printable ones as they are, the others from U+0100 on. */
function byteLetters(): string[] {
  const letters: string[] = [];
  let shifted = 256;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    letters.push(String.fromCodePoint(printable ? byte : shifted++));
  }
  return letters;
}
