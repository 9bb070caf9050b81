import { mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { compareWithTruth } from '../support/hub/compare.ts';
import { MISTRAL_GPTQ, mistralGptq } from '../support/hub/fixtures/mistral-gptq.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { lint } from '../support/linter.ts';
import { type Run, Workspace } from '../support/run-program.ts';

const directory = join(import.meta.dirname, '../../examples');
const files = readdirSync(directory).filter((name) => name.endsWith('.yaml'));
const { version } = JSON.parse(readFileSync(join(directory, '../package.json'), 'utf8')) as {
  version: string;
};

interface Container {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly volumeMounts: readonly {
    readonly name: string;
    readonly mountPath: string;
    readonly readOnly?: boolean;
  }[];
  readonly securityContext?: Readonly<Record<string, unknown>>;
}

interface PodSpec {
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
  readonly volumes: readonly { readonly name: string; readonly configMap?: unknown }[];
  readonly restartPolicy?: string;
  readonly securityContext?: Readonly<Record<string, unknown>>;
}

interface Workload {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly completionMode?: string;
    readonly completions?: number;
    readonly template: { readonly spec: PodSpec };
  };
}

function read(name: string): Workload {
  return parse(readFileSync(join(directory, name), 'utf8')) as Workload;
}

const containersOf = ({ spec: { template } }: Workload): Container[] => [
  ...(template.spec.initContainers ?? []),
  ...template.spec.containers,
];

/** The one that runs this program. */
function fetching(workload: Workload): Container {
  const found = containersOf(workload).find(({ image }) => image.startsWith('hub-fetch:'));
  if (found === undefined) throw new Error('no container runs hub-fetch');
  return found;
}

let hub: Hub;
let workspace: Workspace;

beforeAll(async () => {
  hub = await startHub({ repositories: [mistralGptq({ scale: 0.0005 })] });
});

afterAll(() => hub.close());

beforeEach(async () => {
  hub.log.clear();
  workspace = await Workspace.open({ endpoint: hub.origin });
  expect((await workspace.run(['lock', MISTRAL_GPTQ, '--quiet'])).exit).toBe(0);
  await configMap('lock', 'models.lock');
  hub.log.clear();
  return () => workspace[Symbol.asyncDispose]();
});

/** A file as Kubernetes mounts it: behind two links, so that all of the map changes at once. */
async function configMap(name: string, file: string): Promise<void> {
  const moment = workspace.path(name, '..2026_11_22_01_02_03.4');
  mkdirSync(moment, { recursive: true });
  await cp(workspace.path(file), join(moment, file));
  symlinkSync('..2026_11_22_01_02_03.4', workspace.path(name, '..data'));
  symlinkSync(join('..data', file), workspace.path(name, file));
}

/** The built program with the arguments of a container; what is mounted there is below the workspace here. */
function run({ args, env = [], volumeMounts }: Container, more: Record<string, string> = {}): Promise<Run> {
  const placed = args.map((word) => {
    const mount = volumeMounts.find(({ mountPath }) => word.includes(`=${mountPath}/`));
    return mount === undefined ? word : word.replace('=/', `=${workspace.path()}/`);
  });
  const own = env.flatMap(({ name, value }) =>
    value === undefined || name === 'HOME' ? [] : [[name, value] as const],
  );
  return workspace.run(placed, { env: { ...Object.fromEntries(own), ...more } });
}

describe.each(files)('%s', (name) => {
  test('is one document without a doubtful line', (context) => {
    const documents = parseAllDocuments(readFileSync(join(directory, name), 'utf8'));
    expect(documents.flatMap((one) => ('errors' in one ? [...one.errors, ...one.warnings] : []))).toEqual([]);
    const rules =
      '{extends: default, rules: {line-length: {max: 120}, document-start: disable, braces: {max-spaces-inside: 1}, comments: {min-spaces-from-content: 1}}}';
    const said = lint('yamllint', ['--strict', '-d', rules, join(directory, name)]);
    if (said === undefined) return context.skip('yamllint is not installed');
    expect(said).toBe('');
  });

  test('mounts what there is, gives paths that are mounted, and does not say latest', () => {
    const workload = read(name);
    const volumes = workload.spec.template.spec.volumes.map((volume) => volume.name);
    for (const { image, volumeMounts, args } of containersOf(workload)) {
      expect(image).toMatch(/:v?\d/);
      for (const mount of volumeMounts) expect(volumes).toContain(mount.name);
      for (const [, path] of args.flatMap((word) => Array.from(word.matchAll(/=(\/.+)/g))))
        expect(volumeMounts.some(({ mountPath }) => path?.startsWith(`${mountPath}/`))).toBe(true);
    }
    // The image of the Dockerfile, whose command is the program; no registry of packages is asked when a pod starts.
    const { image, command, volumeMounts } = fetching(workload);
    expect(image).toBe(`hub-fetch:${version}`);
    expect(command).toBeUndefined();
    const locks = workload.spec.template.spec.volumes.filter(({ configMap: map }) => map !== undefined);
    for (const { name: lock } of locks)
      expect(volumeMounts.find((mount) => mount.name === lock)?.readOnly).toBe(true);
  });
});

test('the init container brings the weights, and in a pod that starts again makes no request', async () => {
  const container = fetching(read('init-container.yaml'));
  const first = await run(container);
  expect(first).toMatchObject({ exit: 0, stdout: `${workspace.path('models/mistral')}\n` });
  expect(await compareWithTruth(workspace.path('models/mistral'), await hub.truth(MISTRAL_GPTQ))).toEqual([]);
  hub.log.clear();
  expect(await run(container)).toMatchObject({ exit: 0 });
  expect(hub.log.count({})).toBe(0);
});

test('of init containers that start together one fetches; the others end with 0 or 9, and are tried again', async () => {
  const container = fetching(read('init-container.yaml'));
  const runs = await Promise.all([run(container), run(container), run(container)]);
  expect(runs.map(({ exit }) => exit)).toContain(0);
  for (const { exit } of runs) expect([0, 9]).toContain(exit);
  expect((await run(container)).exit).toBe(0);
  expect(await compareWithTruth(workspace.path('models/mistral'), await hub.truth(MISTRAL_GPTQ))).toEqual([]);
});

test('a lock that does not hold keeps the server from starting', async () => {
  const container = fetching(read('init-container.yaml'));
  const lock = JSON.parse(readFileSync(workspace.path('models.lock'), 'utf8')) as {
    files: { size: number }[];
  };
  lock.files[0]!.size += 1;
  await rm(workspace.path('lock'), { recursive: true });
  await writeFile(workspace.path('models.lock'), JSON.stringify(lock));
  await configMap('lock', 'models.lock');
  expect((await run(container)).exit).toBe(7);
  expect(hub.log.bytesSent('cdn')).toBe(0);
});

test('the init container is not root, cannot become it, and writes where something is mounted only', () => {
  const workload = read('init-container.yaml');
  const pod = workload.spec.template.spec;
  expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000 });
  const { securityContext, volumeMounts, env = [] } = fetching(workload);
  expect(securityContext).toEqual({
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
  const home = env.find((one) => one.name === 'HOME')?.value;
  expect(volumeMounts.some(({ mountPath, readOnly }) => mountPath === home && readOnly !== true)).toBe(true);
  const server = pod.containers[0]!;
  expect(server.volumeMounts.find(({ name }) => name === 'models')?.readOnly).toBe(true);
});

test('the pods of the indexed job together bring exactly the revision', async () => {
  const workload = read('indexed-job.yaml');
  const { completionMode, completions = 0, template } = workload.spec;
  expect([completionMode, template.spec.restartPolicy]).toEqual(['Indexed', 'Never']);
  const container = fetching(workload);
  expect(container.args).toContain(`--shard=auto/${completions}`);
  // Kubernetes sets it; a few at a time are enough for this machine.
  const index = (part: number) => run(container, { JOB_COMPLETION_INDEX: String(part) });
  for (let part = 0; part < completions; part += 2) {
    const runs = await Promise.all([index(part), index(part + 1)]);
    expect(runs.map(({ exit, stderr }) => (exit === 0 ? '' : stderr))).toEqual(['', '']);
  }
  const truth = await hub.truth(MISTRAL_GPTQ);
  expect(await compareWithTruth(workspace.path('models/mistral'), truth)).toEqual([]);
  const size = truth.reduce((sum, file) => sum + file.size, 0);
  expect(hub.log.bytesSent({ kind: ['cdn', 'resolve-cache'] })).toBe(size);
});
