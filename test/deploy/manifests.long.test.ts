import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import type { IDeployment } from 'kubernetes-models/apps/v1';
import type { IJob } from 'kubernetes-models/batch/v1';
import type { IHorizontalPodAutoscaler } from 'kubernetes-models/autoscaling/v2';
import type { INetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1';
import type { IPodDisruptionBudget } from 'kubernetes-models/policy/v1';
import type { IContainer, IPodTemplateSpec, IService } from 'kubernetes-models/v1';
import { createProgram } from '@esparse/cli';
import { EXIT_BAD_INPUT, EXIT_TRY_AGAIN } from '@esparse/errors';
import { DEFAULT_DRAIN_SECONDS } from '@esparse/inference';
import { workerServiceDefinition, inferenceServiceDefinition } from '@esparse/protocol';
import { faultsOf } from '../support/kubernetes-schemas.ts';
import {
  DEPLOY,
  build,
  canBuild,
  isFolder,
  kustomizationIn,
  kustomizations,
  plainManifests,
  type Manifest,
} from '../support/manifests.ts';

const folder = (name: string) => path.join(DEPLOY, name);
const manifests = ['workers', 'pruner', 'inference'].flatMap((name) => plainManifests(folder(name)));

/** The kinds whose objects are looked at one by one. */
interface Kinds {
  Deployment: IDeployment;
  HorizontalPodAutoscaler: IHorizontalPodAutoscaler;
  Job: IJob;
  NetworkPolicy: INetworkPolicy;
  PodDisruptionBudget: IPodDisruptionBudget;
  Service: IService;
}

const find = <K extends keyof Kinds>(kind: K, name: string, among: readonly Manifest[] = manifests) =>
  among.find((manifest) => manifest.kind === kind && manifest.metadata.name === name) as unknown as Kinds[K];
const workers = find('Deployment', 'workers');
const job = find('Job', 'prune');
const inference = find('Deployment', 'inference');
const pods = [workers, job, inference].map((owner) => owner.spec!.template);
const containerOf = (template: IPodTemplateSpec): IContainer => template.spec!.containers[0]!;

test('every file that a kustomization names is there, and every file is named by one', () => {
  for (const home of kustomizations()) {
    const { resources = [], components = [], patches = [] } = kustomizationIn(home);
    const named = [...resources, ...patches.map((patch) => patch.path)];
    for (const name of [...resources, ...components]) {
      const target = path.join(home, name);
      expect([target, existsSync(target)]).toEqual([target, true]);
      if (isFolder(target)) expect(existsSync(path.join(target, 'kustomization.yaml'))).toBe(true);
    }
    const files = readdirSync(home).filter((file) => file.endsWith('.yaml') && file !== 'kustomization.yaml');
    expect(files.filter((file) => !named.includes(file))).toEqual([]);
    for (const { path: file } of patches) expect(files).toContain(file);
  }
});

test('every manifest is valid by the schemas of Kubernetes', () => {
  expect(manifests).not.toHaveLength(0);
  expect(faultsOf(manifests)).toEqual([]);
});

test('a field that does not exist is refused, and so are a wrong value and one that is missing', () => {
  const [wrong, value, missing] = [structuredClone(workers), structuredClone(workers), structuredClone(job)];
  Object.assign(containerOf(wrong.spec!.template), { readynessProbe: {} });
  containerOf(value.spec!.template).resources = { requests: { memory: '2 gigabytes' } };
  delete (missing.spec as Partial<IJob['spec']>)!.template;
  const faults = (manifest: object) => faultsOf([manifest as Manifest]).join('\n');
  expect(faults(wrong)).toMatch(/Deployment workers: .*readynessProbe.* does not exist/);
  expect(faults(value)).toMatch(/Deployment workers: .*memory.* must match/);
  expect(faults(missing)).toMatch(/Job prune: .*template/);
});

(canBuild ? test : test.skip)('whatever a kustomization builds is valid too', () => {
  const built = kustomizations()
    .filter((home) => kustomizationIn(home).kind === 'Kustomization')
    .flatMap(build);
  expect(faultsOf(built)).toEqual([]);
});

(canBuild ? test : test.skip)('with the component gpu each worker has a GPU and runs on it', () => {
  const built = build(folder('example/prune-gpu'));
  const { resources, image } = containerOf(find('Deployment', 'workers', built).spec!.template);
  expect(resources!.limits).toMatchObject({ 'nvidia.com/gpu': '1' });
  expect(image).toContain('esparse-worker-gpu');
});

(canBuild ? test : test.skip)(
  'with the component tls nothing is in clear text, and no probe speaks gRPC without TLS',
  () => {
    const built = build(folder('example/prune'));
    const worker = containerOf(find('Deployment', 'workers', built).spec!.template);
    const pruner = containerOf(find('Job', 'prune', built).spec!.template);
    const names = ({ env = [] }: IContainer) => env.map(({ name }) => name).sort();
    expect(names(worker)).toEqual(['ESPARSE_TLS_CERT', 'ESPARSE_TLS_CLIENT_CA', 'ESPARSE_TLS_KEY']);
    expect(names(pruner)).toEqual(['ESPARSE_TLS_CA', 'ESPARSE_TLS_CERT', 'ESPARSE_TLS_KEY']);
    for (const { startupProbe, readinessProbe, livenessProbe } of [worker]) {
      for (const probe of [startupProbe, readinessProbe, livenessProbe]) {
        expect([probe!.grpc, probe!.tcpSocket]).toEqual([undefined, { port: 'grpc' }]);
      }
    }
  },
);

test('what listens beyond its pod, or calls others, without certificates says so', () => {
  for (const pod of pods) {
    const { env, args } = containerOf(pod);
    expect(env).toContainEqual({ name: 'ESPARSE_INSECURE', value: 'true' });
    // By the variable alone: the component tls takes that away, and an argument would stay.
    expect(args).not.toContain('--insecure');
  }
});

test.each(pods.map((pod) => [containerOf(pod).name, pod] as const))(
  'the command line of %s is one that esparse takes',
  async (_, pod) => {
    const { args = [] } = containerOf(pod);
    const program = await createProgram();
    const [name, ...options] = args.map((arg) => arg.replaceAll(/\$\((\w+)\)/g, 's3://bucket/$1'));
    const command = program.commands.find((candidate) => candidate.name() === name)!;
    command.action(() => undefined);
    await program.parseAsync([name!, ...options], { from: 'user' });
  },
);

test('every variable that a manifest sets for esparse is one that a command reads', async () => {
  const options = (await createProgram()).commands.flatMap((command) => command.options);
  const known = new Set(options.map(({ envVar }) => envVar));
  const text = readdirSync(DEPLOY, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => readFileSync(path.join(DEPLOY, file), 'utf8'))
    .join('\n');
  const named = new Set([...text.matchAll(/^[^#\n]*?\b(ESPARSE_\w+)/gm)].map((match) => match[1]));
  expect([...named].filter((name) => !known.has(name))).toEqual([]);
});

test.each(pods.map((pod) => [containerOf(pod).name, pod] as const))('%s runs with no rights', (_, pod) => {
  expect(pod.spec).toMatchObject({
    automountServiceAccountToken: false,
    // Else the port of a Service might be taken for an option: ESPARSE_PORT.
    enableServiceLinks: false,
    securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
  });
  expect(containerOf(pod).securityContext).toEqual({
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
  expect(pod.spec!.containers).toHaveLength(1);
});

test('what selects pods selects the pods of its own service, and no others', () => {
  for (const [owner, component] of [
    [workers, 'worker'],
    [inference, 'inference'],
  ] as const) {
    const labels = { 'app.kubernetes.io/name': 'esparse', 'app.kubernetes.io/component': component };
    const name = owner.metadata!.name!;
    expect(owner.spec!.selector.matchLabels).toEqual(labels);
    expect(owner.spec!.template.metadata!.labels).toEqual(labels);
    expect(owner.spec!.template.spec!.topologySpreadConstraints![0]!.labelSelector!.matchLabels).toEqual(
      labels,
    );
    expect(find('Service', name).spec!.selector).toEqual(labels);
    const budget = find('PodDisruptionBudget', name);
    expect(budget.spec!.selector!.matchLabels).toEqual(labels);
  }
  const { scaleTargetRef } = find('HorizontalPodAutoscaler', 'inference').spec!;
  expect(scaleTargetRef).toEqual({ apiVersion: 'apps/v1', kind: 'Deployment', name: 'inference' });
  expect(inference.spec!.replicas).toBeUndefined();
});

test('only pods of the pruner reach a worker', () => {
  const { podSelector, policyTypes, ingress } = find('NetworkPolicy', 'workers').spec!;
  expect(podSelector.matchLabels).toEqual(workers.spec!.selector.matchLabels);
  expect(policyTypes).toEqual(['Ingress']);
  expect(ingress).toEqual([
    {
      from: [{ podSelector: { matchLabels: job.spec!.template.metadata!.labels } }],
      ports: [{ port: 'grpc' }],
    },
  ]);
});

test('ports are those of the command line, and services and probes name them', () => {
  const grpc = (definition: object) => (Object.values(definition)[0] as { path: string }).path.split('/')[1];
  const listens = (pod: IPodTemplateSpec, pattern: RegExp) =>
    containerOf(pod).args!.flatMap((arg) => pattern.exec(arg)?.slice(1).map(Number) ?? []);
  const ports = (pod: IPodTemplateSpec) =>
    new Map(containerOf(pod).ports!.map(({ name, containerPort }) => [name, containerPort]));
  const [worker, , server] = pods as [IPodTemplateSpec, IPodTemplateSpec, IPodTemplateSpec];

  expect(listens(worker, /^--listen=0\.0\.0\.0:(\d+)$/)).toEqual([ports(worker).get('grpc')]);
  expect(listens(server, /^--port=(\d+)$/)).toEqual([ports(server).get('http')]);
  expect(listens(server, /^--grpc=0\.0\.0\.0:(\d+)$/)).toEqual([ports(server).get('grpc')]);
  const { startupProbe, readinessProbe, livenessProbe } = containerOf(worker);
  for (const probe of [startupProbe, readinessProbe]) {
    expect(probe!.grpc).toEqual({ port: 7070, service: grpc(workerServiceDefinition) });
  }
  expect(livenessProbe!.grpc).toEqual({ port: 7070 });
  for (const probe of [containerOf(server).startupProbe, containerOf(server).readinessProbe]) {
    expect(probe!.grpc).toEqual({ port: 9090, service: grpc(inferenceServiceDefinition) });
  }
  expect(containerOf(server).livenessProbe!.httpGet).toEqual({ path: '/health', port: 'http' });
  for (const [service, pod] of [
    ['workers', worker],
    ['inference', server],
  ] as const) {
    const targets = find('Service', service).spec!.ports!.map(({ targetPort }) => targetPort);
    expect(targets).toEqual(containerOf(pod).ports!.map(({ name }) => name));
  }
  expect(find('Service', 'workers').spec!.clusterIP).toBe('None');
  expect(containerOf(pods[1]!).args).toContain('--worker=dns:///workers:7070');
});

test('bad input ends the job, what may be tried again and a crash are tried again', () => {
  const { podFailurePolicy, backoffLimit, template } = job.spec!;
  // Kubernetes takes a failure policy with this one only.
  expect(template.spec!.restartPolicy).toBe('Never');
  expect(backoffLimit).toBeGreaterThan(0);
  const [first, ...others] = podFailurePolicy!.rules;
  expect(first).toEqual({
    action: 'FailJob',
    onExitCodes: { containerName: containerOf(template).name, operator: 'In', values: [EXIT_BAD_INPUT] },
  });
  expect(first!.onExitCodes!.values).not.toContain(EXIT_TRY_AGAIN);
  expect(others).toEqual([
    { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
  ]);
});

test('a pod that is stopped has time to notice, to drain and to write its last log lines', () => {
  for (const { template } of [workers.spec!, inference.spec!]) {
    const { args, lifecycle } = containerOf(template);
    const drain = Number(args!.find((arg) => arg.startsWith('--drain-seconds='))!.split('=')[1]);
    const pause = Number(lifecycle?.preStop?.exec?.command?.at(-1) ?? 0);
    expect(drain).toBe(DEFAULT_DRAIN_SECONDS);
    expect(template.spec!.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(pause + drain + 5);
  }
});

test('the example asks for what the plan says, by deploy/resources.mjs', () => {
  const run = (service: string, input: string) =>
    execFileSync(process.execPath, [folder('resources.mjs'), service], {
      input,
      encoding: 'utf8',
      stdio: 'pipe',
    });
  const plan = readFileSync(folder('example/plan.json'), 'utf8');
  for (const [service, file] of [
    ['worker', 'prune/worker-resources.yaml'],
    ['pruner', 'prune/pruner-resources.yaml'],
    ['inference', 'serve/inference-resources.yaml'],
  ] as const) {
    expect(readFileSync(folder(`example/${file}`), 'utf8')).toBe(run(service, plan));
  }
  // Hessians beyond their memory lie below /tmp, which the manifest bounds.
  const spilling = { ...(JSON.parse(plan) as object), spilled: 7 * 2 ** 30 };
  const patch = run('pruner', JSON.stringify(spilling));
  expect(patch).toContain('emptyDir: { sizeLimit: 9Gi }');
  expect(patch.match(/ephemeral-storage: 9Gi/g)).toHaveLength(2);
  expect(() => run('worker', '{"memory": {"worker": -1}}')).toThrow(/no bytes in memory\.worker/);
  expect(() => run('worker', 'no JSON')).toThrow(/not the JSON/);
  expect(() => run('toString', plan)).toThrow(/no service/);
});

test('no manifest holds a secret: credentials and keys come by reference', () => {
  expect(manifests.map(({ kind }) => kind)).not.toContain('Secret');
  const text = JSON.stringify(manifests);
  expect(text).not.toMatch(/AWS_(SECRET|ACCESS|SESSION)/);
  expect(containerOf(inference.spec!.template).args).toContain('--api-key-file=/keys/api-keys');
});
