import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';
import { PROTO_FOLDER } from './proto-folder.ts';

/**
 * The protocols as they were last agreed on. Nothing in this file may change or go: peers of other versions rely on it.
 * What is new is added with `ACCEPT_PROTO=1 npx jest … additive`.
 */
const BASELINE = path.join(import.meta.dirname, '../../../proto/baseline.json');
const FILES = ['esparse/v1/worker.proto', 'esparse/v1/inference.proto'];

/** An identifier on the wire that must never change its meaning, such as a message's field number, and what it means. */
type Identifiers = Record<string, string>;

interface Field {
  readonly name: string;
  readonly number: number;
  readonly label: string;
  readonly type: string;
  readonly typeName: string;
  readonly oneofIndex?: number;
  readonly proto3Optional?: boolean;
}

/** Every field, enum value and method of a package. */
function identifiersOf(definition: PackageDefinition): Identifiers {
  const identifiers: Identifiers = {};
  for (const [name, entry] of Object.entries(definition)) {
    if (!name.startsWith('esparse.')) continue;
    if ('format' in entry) {
      const type = entry.type as { field?: Field[]; value?: { name: string; number: number }[] };
      for (const field of type.field ?? []) {
        const what = [field.label, field.type, field.typeName, field.name].filter((part) => part !== '');
        identifiers[`${name} ${field.number}`] = what.join(' ');
      }
      for (const value of type.value ?? []) identifiers[`${name} ${value.number}`] = value.name;
    } else {
      for (const [method, { requestType, responseType, requestStream, responseStream }] of Object.entries(
        entry,
      )) {
        const nameOf = ({ type }: { type: object }) => (type as { name: string }).name;
        identifiers[`${name} ${method}`] =
          `${requestStream ? 'stream ' : ''}${nameOf(requestType)} to ${responseStream ? 'stream ' : ''}${nameOf(responseType)}`;
      }
    }
  }
  return identifiers;
}

const options = { includeDirs: [PROTO_FOLDER] };
const now: Identifiers = Object.assign(
  {},
  ...FILES.map((file) => identifiersOf(loadSync(file, options))),
) as Identifiers;

test('the protocols have only grown: no field, value or method was removed, renumbered or retyped', () => {
  const agreed = JSON.parse(readFileSync(BASELINE, 'utf8')) as Identifiers;
  const broken = Object.entries(agreed).filter(([id, what]) => now[id] !== what);
  expect(broken.map(([id, what]) => `${id}: ${what} became ${now[id] ?? 'nothing'}`)).toEqual([]);

  const added = Object.entries(now).filter(([id]) => !(id in agreed));
  if (process.env.ACCEPT_PROTO === '1') {
    writeFileSync(BASELINE, `${JSON.stringify({ ...agreed, ...Object.fromEntries(added) }, null, 2)}\n`);
    return;
  }
  // New identifiers are added to the baseline: see there.
  expect(added).toEqual([]);
});
