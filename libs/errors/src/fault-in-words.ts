/**
 * What zod reports of a value that does not fit a schema, as far as a sentence about it needs it. Written down here so that
 * this library needs no zod.
 */
interface Fault {
  readonly code?: string | undefined;
  readonly input?: unknown;
  readonly expected?: string;
  readonly origin?: string;
  readonly minimum?: number | bigint;
  readonly maximum?: number | bigint;
  readonly inclusive?: boolean;
  readonly exact?: boolean;
  readonly values?: readonly Primitive[];
  readonly options?: readonly Primitive[];
  readonly keys?: readonly string[];
  readonly divisor?: number | bigint;
  readonly pattern?: string;
  readonly errors?: readonly (readonly {
    readonly path: readonly PropertyKey[];
    readonly message: string;
  }[])[];
}

type Primitive = string | number | bigint | boolean | symbol | null | undefined;

/** Names listed in one sentence. */
const MAX_NAMED = 5;

/** Characters of a name that a sentence repeats: it may come from a hostile file. */
const MAX_NAME_CHARACTERS = 100;

const EXPECTED = 'expected ';

/**
 * Says what was expected of a value, in words that follow its name and a colon: zod's own texts are about schemas.
 *
 * @example schema.safeParse(value, { error: faultInWords }) // 'expected a whole number, not 1.5'
 */
export function faultInWords(fault: Fault): string {
  switch (fault.code) {
    case 'invalid_type':
      return EXPECTED + kindOf(fault.expected ?? 'value') + insteadOf(fault.input);
    case 'invalid_value':
      return EXPECTED + oneOf(fault.values ?? []);
    case 'too_small':
      return EXPECTED + sizeOf(fault, fault.minimum ?? 0, 'at least', 'more than');
    case 'too_big':
      return EXPECTED + sizeOf(fault, fault.maximum ?? 0, 'at most', 'less than');
    case 'not_multiple_of':
      return `${EXPECTED}a multiple of ${fault.divisor ?? 1}`;
    case 'invalid_format':
      return EXPECTED + (fault.pattern === undefined ? 'text of another form' : `text like ${fault.pattern}`);
    case 'unrecognized_keys':
      return unknownFields(fault.keys ?? []);
    case 'invalid_union':
      return anyOf(fault);
    case 'invalid_key':
      return 'it has a name that cannot be used';
    case 'invalid_element':
      return 'it has an entry that cannot be used';
    default:
      return 'it cannot be used';
  }
}

/** Such as 'unknown fields: a, b'. */
function unknownFields(keys: readonly string[]): string {
  const named = keys.slice(0, MAX_NAMED).map((key) => key.slice(0, MAX_NAME_CHARACTERS));
  const more = keys.length > MAX_NAMED ? ` and ${keys.length - MAX_NAMED} more` : '';
  return `unknown field${keys.length > 1 ? 's' : ''}: ${named.join(', ')}${more}`;
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  set: 'a list',
  object: 'an object',
  record: 'an object',
  map: 'an object',
  never: 'nothing',
  nonoptional: 'a value',
};

function kindOf(expected: string): string {
  return KINDS[expected] ?? expected;
}

/** What was found: by its kind, or itself where that is short. */
function insteadOf(input: unknown): string {
  if (input === undefined) return ', but it is missing';
  if (input === null) return ', not null';
  if (Array.isArray(input)) return ', not a list';
  if (typeof input === 'number' || typeof input === 'boolean') return `, not ${input}`;
  return typeof input === 'string' ? ', not text' : ', not an object';
}

function oneOf(values: readonly Primitive[]): string {
  const shown = values.map((value) => (typeof value === 'string' ? JSON.stringify(value) : String(value)));
  return shown.length === 1 ? shown[0]! : `one of ${shown.join(', ')}`;
}

/** A number's bound, or how many characters or entries something has. */
function sizeOf(
  { origin, exact, inclusive }: Fault,
  bound: number | bigint,
  inclusiveWords: string,
  exclusiveWords: string,
): string {
  const unit = origin === 'string' ? ' characters' : origin === 'array' || origin === 'set' ? ' entries' : '';
  if (exact === true) return `exactly ${bound}${unit}`;
  return `${inclusive === false ? exclusiveWords : inclusiveWords} ${bound}${unit}`;
}

/** Every form that was possible, where each says at once what it expects. */
function anyOf({ options, errors = [] }: Fault): string {
  if (options !== undefined && options.length > 0) return EXPECTED + oneOf(options);
  const first = errors.map(([issue]) => issue);
  const plain = first.flatMap((issue) =>
    issue?.path.length === 0 && issue.message.startsWith(EXPECTED)
      ? [issue.message.slice(EXPECTED.length)]
      : [],
  );
  if (plain.length < first.length || plain.length === 0) return 'it has none of the forms that are possible';
  const forms = [...new Set(plain.map((form) => form.replace(/, (not|but) .*$/, '')))];
  return EXPECTED + forms.join(', or ');
}
