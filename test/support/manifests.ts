import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import type { IDeployment } from 'kubernetes-models/apps/v1';
import type { IJob } from 'kubernetes-models/batch/v1';
import { parse, parseAllDocuments } from 'yaml';
import { REPOSITORY } from './repository.ts';

export const DEPLOY = path.join(REPOSITORY, 'deploy');

/** An object of the Kubernetes API, not yet checked. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Record<string, string> };
  readonly spec?: unknown;
  readonly data?: Record<string, string>;
}

/** A kustomization file, as far as it names others. */
export interface Kustomization {
  readonly kind: 'Kustomization' | 'Component';
  readonly resources?: readonly string[];
  readonly components?: readonly string[];
  readonly patches?: readonly { readonly path: string }[];
}

/** A pod's template with the name of its owner. */
export type PodOwner = IDeployment | IJob;

export function kustomizationIn(folder: string): Kustomization {
  return parse(readFileSync(path.join(folder, 'kustomization.yaml'), 'utf8')) as Kustomization;
}

export function manifestsIn(text: string): Manifest[] {
  return parseAllDocuments(text).map((document) => {
    if (document.errors.length > 0) throw document.errors[0]!;
    return document.toJS() as Manifest;
  });
}

/** The manifests of a folder whose kustomization lists them and changes nothing. */
export function plainManifests(folder: string): Manifest[] {
  return (kustomizationIn(folder).resources ?? []).flatMap((file) =>
    manifestsIn(readFileSync(path.join(folder, file), 'utf8')),
  );
}

/** Every folder below `deploy/` that has a kustomization. */
export function kustomizations(): string[] {
  return readdirSync(DEPLOY, { recursive: true, encoding: 'utf8' })
    .filter((file) => path.basename(file) === 'kustomization.yaml')
    .map((file) => path.join(DEPLOY, path.dirname(file)));
}

/** The command that builds a kustomization, where there is one: CI cannot install it from Debian. */
const BUILD = [
  ['kustomize', 'build'],
  ['kubectl', 'kustomize'],
].find(([command, verb]) => spawnSync(command!, [verb!, '--help']).status === 0);
if (BUILD === undefined) {
  process.emitWarning('neither kustomize nor kubectl is here: the tests of what they build are skipped');
}

export const canBuild = BUILD !== undefined;

/** What `kubectl apply -k` would send. */
export function build(folder: string): Manifest[] {
  const [command, verb] = BUILD!;
  return manifestsIn(execFileSync(command!, [verb!, folder], { encoding: 'utf8' }));
}

export function isFolder(file: string): boolean {
  return statSync(file).isDirectory();
}
