#!/usr/bin/env node
/**
 * Turns what `esparse plan … --json` says into a Kustomize patch with the memory and disk of a service:
 *
 *   esparse plan … --json > plan.json
 *   node deploy/resources.mjs worker < plan.json > worker-resources.yaml
 *
 * Reads of the plan, in bytes: `memory.pruner` and `memory.worker`, the peaks of the processes, `spilled`, the pruner's
 * temporary file, and `store.bytes`, the size of the pruned run.
 */
import { text } from 'node:stream/consumers';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

/** A peak is an estimate, and a process over its limit is killed. */
const HEADROOM = 1.25;
/** Key-value cache of `esparse serve` (--kv-memory), and what a server needs beside it and its weights. */
const KV_BYTES = GIB;
const SERVER_BYTES = 400 * MIB;
/** Of a new run, until the old one is closed, there is all twice: weights, copies on disk, key-value cache. */
const RUNS = 2;
/** Logs and /tmp. */
const SCRATCH_GIB = 2;

const mebibytes = (bytes) => `${Math.ceil(bytes / MIB)}Mi`;

/** A process whose memory is its own: what it asks for is what it gets. */
const process_ = (kind, name, container) => (bytes) => {
  const memory = mebibytes(bytes * HEADROOM);
  return `apiVersion: ${kind === 'Job' ? 'batch/v1' : 'apps/v1'}
kind: ${kind}
metadata:
  name: ${name}
spec:
  template:
    spec:
      containers:
        - name: ${container}
          resources:
            requests: { memory: ${memory} }
            limits: { memory: ${memory} }
`;
};

/** A pruner whose Hessians go beyond their memory writes the rest below /tmp. */
const pruner = (bytes, { spilled = 0 }) => {
  const patch = process_('Job', 'prune', 'pruner')(bytes);
  if (spilled === 0) return patch;
  const disk = `${Math.ceil(spilled / GIB) + SCRATCH_GIB}Gi`;
  return `${patch.replaceAll(' }\n', `, ephemeral-storage: ${disk} }\n`)}      volumes:
        - name: tmp
          emptyDir: { sizeLimit: ${disk} }
`;
};

/** A server maps its weights from copies on the node's disk: page cache that counts as the pod's memory. */
const inference = (bytes) => {
  const served = bytes + KV_BYTES + SERVER_BYTES;
  const cacheGib = Math.ceil((RUNS * bytes) / GIB);
  const disk = `${cacheGib + SCRATCH_GIB}Gi`;
  return `apiVersion: apps/v1
kind: Deployment
metadata:
  name: inference
spec:
  template:
    spec:
      containers:
        - name: inference
          env:
            - { name: ESPARSE_CACHE_SIZE, value: '${cacheGib}' }
          resources:
            requests: { memory: ${mebibytes(served)}, ephemeral-storage: ${disk} }
            limits: { memory: ${mebibytes(RUNS * served)}, ephemeral-storage: ${disk} }
`;
};

const SERVICES = {
  pruner: { field: ['memory', 'pruner'], patch: pruner },
  worker: { field: ['memory', 'worker'], patch: process_('Deployment', 'workers', 'worker') },
  inference: { field: ['store', 'bytes'], patch: inference },
};

/** A number of bytes out of the plan. */
function bytesOf(plan, field) {
  const value = field.reduce((at, key) => at?.[key], plan);
  if (!Number.isSafeInteger(value) || value <= 0) fail(`the plan has no bytes in ${field.join('.')}`);
  return value;
}

function parse(json) {
  try {
    return JSON.parse(json);
  } catch {
    return fail('standard input is not the JSON of `esparse plan --json`');
  }
}

function fail(message) {
  console.error(
    `error: ${message}\n  usage: node deploy/resources.mjs ${Object.keys(SERVICES).join('|')} < plan.json`,
  );
  process.exit(2);
}

const [name = ''] = process.argv.slice(2);
if (!Object.hasOwn(SERVICES, name)) fail(`there is no service ${JSON.stringify(name)}`);
const { field, patch } = SERVICES[name];
const plan = parse(await text(process.stdin));
process.stdout.write(patch(bytesOf(plan, field), plan));
