import { createRequire } from 'node:module';
import path from 'node:path';
import ts from 'typescript';
import type { Manifest } from './manifests.ts';

/**
 * What is wrong with manifests by the Kubernetes API, one line each. `kubernetes-models` is made from its OpenAPI
 * document: its types refuse fields that do not exist, its validators what a value's form gets wrong.
 */
export function faultsOf(manifests: readonly Manifest[]): string[] {
  return [...typeFaults(manifests), ...manifests.flatMap(valueFaults)];
}

/** Each manifest, as a literal, must satisfy the type of its kind. */
function typeFaults(manifests: readonly Manifest[]): string[] {
  const file = path.join(import.meta.dirname, 'manifests-as-literals.ts');
  const lines = manifests.map(
    (manifest) =>
      `${JSON.stringify(manifest)} satisfies import('kubernetes-models/${manifest.apiVersion}').I${manifest.kind};`,
  );
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: [],
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
  };
  const host = ts.createCompilerHost(options);
  const { fileExists, getSourceFile, readFile } = host;
  const text = lines.map((line, n) => `export const m${n} = ${line}`).join('\n');
  host.fileExists = (name) => name === file || fileExists(name);
  host.readFile = (name) => (name === file ? text : readFile(name));
  host.getSourceFile = (name, version, ...rest) =>
    name === file ? ts.createSourceFile(name, text, version) : getSourceFile(name, version, ...rest);
  const program = ts.createProgram([file], options, host);
  return ts.getPreEmitDiagnostics(program).map(({ messageText, start, file: source }) => {
    const line = start === undefined ? undefined : source?.getLineAndCharacterOfPosition(start).line;
    const where = line === undefined ? '' : `${nameOf(manifests[line])}: `;
    return where + ts.flattenDiagnosticMessageText(messageText, ' ');
  });
}

function valueFaults(manifest: Manifest): string[] {
  const load = createRequire(import.meta.url);
  const models = load(`kubernetes-models/${manifest.apiVersion}`) as Record<string, Model | undefined>;
  const Kind = models[manifest.kind];
  if (Kind === undefined) return [`${nameOf(manifest)}: ${manifest.apiVersion} has no such kind`];
  try {
    new Kind(manifest).validate();
    return [];
  } catch (error) {
    return [`${nameOf(manifest)}: ${(error as Error).message}`];
  }
}

type Model = new (manifest: Manifest) => { validate(): void };

function nameOf(manifest: Manifest | undefined): string {
  return manifest === undefined ? '' : `${manifest.kind} ${manifest.metadata.name}`;
}
