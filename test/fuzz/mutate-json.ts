import type { Random } from './random.ts';

type Json = null | boolean | number | string | Json[] | JsonObject;
interface JsonObject {
  [name: string]: Json;
}

/** Values that no author of a document meant. */
const HOSTILE: readonly Json[] = [
  ...[null, true, false, '', ' ', 'a', '../../etc/hostname', '/', '\u0000', '\ud800', 'NaN', '9'.repeat(400)],
  ...[0, -0, 1, -1, 2, 3, 7, 0.5, -0.5, 1e-320, 1e308, 255, 65_536, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 53)],
  ...[[], {}, [[]], [null], [0, 0], { a: 1 }],
];
/** Names with a meaning of their own in JavaScript. */
const NAMES = ['__proto__', 'constructor', 'toString', 'length', '', 'x'.repeat(1000)];
/** As deep as stacks are, and deeper. */
const DEPTHS = [100, 1_000, 100_000];

/** A place in a document: a member of an object, or an element of a list. */
interface Place {
  readonly owner: Json[] | JsonObject;
  readonly name: string | number;
}

/** The text of another document than the one given, and what was done to it; undefined where it is no JSON. */
export function mutateJson(text: string, random: Random): readonly [text: string, what: string] | undefined {
  const document = parsed(text);
  if (document === undefined) return undefined;
  if (random.chance(0.02)) {
    const depth = random.pick(DEPTHS);
    return ['['.repeat(depth) + (random.chance(0.5) ? ']'.repeat(depth) : ''), `lists ${depth} deep`];
  }
  const places = [...placesOf(document)];
  if (places.length === 0) return [JSON.stringify(random.pick(HOSTILE)), 'another document'];
  const what: string[] = [];
  const changes = random.chance(0.8) ? 1 : 2 + random.int(3);
  for (let i = 0; i < changes; i++) what.push(change(random.pick(places), places, random));
  return [JSON.stringify(document, undefined, 2) + '\n', what.join(', ')];
}

function change(place: Place, places: readonly Place[], random: Random): string {
  const value = valueAt(place);
  const way = random.int(6);
  if (way === 0) return remove(place);
  if (way === 1) {
    const other = random.pick(places);
    return set(place, valueAt(other), `as ${JSON.stringify(other.name)}`);
  }
  if (way === 2) return repeat(place, random);
  if (way === 3 && typeof value === 'number') return set(place, near(value, random), `near ${value}`);
  if (way === 3 && typeof value === 'string') return set(place, nearText(value, random), 'another text');
  const hostile = random.pick(HOSTILE);
  return set(place, hostile, `is ${JSON.stringify(hostile).slice(0, 40)}`);
}

function valueAt({ owner, name }: Place): Json {
  return (Array.isArray(owner) ? owner[Number(name)] : owner[name]) ?? null;
}

function set({ owner, name }: Place, value: Json, what: string): string {
  const copy = structuredClone(value);
  if (Array.isArray(owner)) owner[Number(name)] = copy;
  else owner[name] = copy;
  return `${JSON.stringify(name)} ${what}`;
}

function remove({ owner, name }: Place): string {
  if (Array.isArray(owner)) owner.splice(Number(name), 1);
  else Reflect.deleteProperty(owner, name);
  return `without ${JSON.stringify(name)}`;
}

/** The first elements once more at the end, or the value under another name as well. */
function repeat(place: Place, random: Random): string {
  const { owner, name } = place;
  if (Array.isArray(owner)) owner.push(...structuredClone(owner.slice(0, 1 + random.int(owner.length))));
  else owner[random.pick(NAMES)] = structuredClone(valueAt(place));
  return `another one beside ${JSON.stringify(name)}`;
}

function near(value: number, random: Random): number {
  return random.pick([value + 1, value - 1, value * 2, value / 2, -value, value + 0.5, value * 1e6]);
}

function nearText(value: string, random: Random): string {
  const at = random.int(value.length + 1);
  return random.pick([
    value.slice(0, at),
    value.slice(0, at) + random.pick(['é', '\u0000', '/', '.', '{', '￿']) + value.slice(at),
    value.toUpperCase(),
    value + value,
  ]);
}

function* placesOf(document: Json): Generator<Place> {
  if (typeof document !== 'object' || document === null) return;
  const names = Array.isArray(document) ? [...document.keys()] : Object.keys(document);
  for (const name of names) {
    yield { owner: document, name };
    yield* placesOf(valueAt({ owner: document, name }));
  }
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
