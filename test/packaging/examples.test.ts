import { mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { compareWithTruth } from '../support/hub/compare.ts';
import { MISTRAL_GPTQ, mistralGptq } from '../support/hub/fixtures/mistral-gptq.ts';
import { type Hub, startHub } from '../support/hub/hub.ts';
import { lint } from '../support/linter.ts';
import { type Run, Workspace } from '../support/run-program.ts';
import { startServing } from '../support/serving.ts';

const directory = join(import.meta.dirname, '../../examples');
const files = readdirSync(directory).filter((name) => name.endsWith('.yaml'));
/** A path in an argument, alone or of an option. */
const PATH = /^(?:--[\w-]+=)?(\/.+)/;
const { version } = JSON.parse(readFileSync(join(directory, '../package.json'), 'utf8')) as {
  version: string;
};

interface Container {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args: readonly string[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
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
    readonly template: {
      readonly metadata?: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: PodSpec;
    };
  };
}

interface Service {
  readonly kind: 'Service';
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly selector: Readonly<Record<string, string>>;
    readonly ports: readonly { readonly port: number; readonly targetPort: string }[];
  };
}

const isWorkload = (one: Workload | Service): one is Workload => one.kind !== 'Service';

function documents(name: string): (Workload | Service)[] {
  return parseAllDocuments(readFileSync(join(directory, name), 'utf8')).map(
    (one) => one.toJS() as Workload | Service,
  );
}

/** The workload of a file; of several, the one of a kind. */
function read(name: string, kind?: string): Workload {
  const found = documents(name)
    .filter(isWorkload)
    .find((one) => kind === undefined || one.kind === kind);
  if (found === undefined) throw new Error(`${name} has no ${kind}`);
  return found;
}

const containersOf = ({ spec: { template } }: Workload): Container[] => [
  ...(template.spec.initContainers ?? []),
  ...template.spec.containers,
];

const runsProgram = ({ image }: Container): boolean => image.startsWith('hub-fetch:');

/** The first one that runs this program. */
function fetching(workload: Workload): Container {
  const found = containersOf(workload).find(runsProgram);
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

/** The arguments of a container; what is mounted there is below the workspace here. */
function placed({ args, volumeMounts }: Container, place = workspace): string[] {
  return args.map((word) => {
    const mount = volumeMounts.find(({ mountPath }) => word.match(PATH)?.[1]?.startsWith(`${mountPath}/`));
    return mount === undefined ? word : word.replace('/', `${place.path()}/`);
  });
}

/** The built program with the arguments of a container. */
function run(container: Container, more: Record<string, string> = {}): Promise<Run> {
  const { env = [] } = container;
  const own = env.flatMap(({ name, value }) =>
    value === undefined || name === 'HOME' ? [] : [[name, value] as const],
  );
  return workspace.run(placed(container), { env: { ...Object.fromEntries(own), ...more } });
}

describe.each(files)('%s', (name) => {
  test('has no doubtful line', (context) => {
    const parsed = parseAllDocuments(readFileSync(join(directory, name), 'utf8'));
    expect(parsed.length).toBeGreaterThan(0);
    expect(parsed.flatMap((one) => ('errors' in one ? [...one.errors, ...one.warnings] : []))).toEqual([]);
    const rules =
      '{extends: default, rules: {line-length: {max: 120}, document-start: disable, braces: {max-spaces-inside: 1}, comments: {min-spaces-from-content: 1}}}';
    const said = lint('yamllint', ['--strict', '-d', rules, join(directory, name)]);
    if (said === undefined) return context.skip('yamllint is not installed');
    expect(said).toBe('');
  });

  test.each(documents(name).filter(isWorkload))(
    'mounts what there is, gives paths that are mounted, and does not say latest: $kind',
    (workload) => {
      const { volumes } = workload.spec.template.spec;
      for (const { image, volumeMounts, args } of containersOf(workload)) {
        expect(image).toMatch(/:v?\d/);
        for (const mount of volumeMounts) expect(volumes.map((one) => one.name)).toContain(mount.name);
        for (const path of args.flatMap((word) => word.match(PATH)?.[1] ?? []))
          expect(volumeMounts.some(({ mountPath }) => path.startsWith(`${mountPath}/`))).toBe(true);
      }
      // The image of the Dockerfile, whose command is the program; no registry of packages is asked when a pod starts.
      const locks = volumes.filter(({ configMap: map }) => map !== undefined);
      expect(containersOf(workload).some(runsProgram)).toBe(true);
      for (const { image, command, volumeMounts } of containersOf(workload).filter(runsProgram)) {
        expect(image).toBe(`hub-fetch:${version}`);
        expect(command).toBeUndefined();
        for (const { name: lock } of locks)
          expect(volumeMounts.find((mount) => mount.name === lock)?.readOnly).toBe(true);
      }
    },
  );
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

describe('fleet.yaml', () => {
  test('the service leads to the pod that serves, where the others look for it', () => {
    const service = documents('fleet.yaml').find((one): one is Service => one.kind === 'Service')!;
    const stage = read('fleet.yaml', 'Deployment');
    expect(stage.spec.template.metadata?.labels).toMatchObject(service.spec.selector);
    const [port] = service.spec.ports;
    const serving = stage.spec.template.spec.containers[0]!;
    expect(serving.ports).toEqual([{ name: port?.targetPort, containerPort: port?.port }]);
    expect(serving.args).toContain(`--port=${port?.port}`);
    for (const kind of ['DaemonSet', 'Job'])
      expect(fetching(read('fleet.yaml', kind)).args).toContain(
        `--from=http://${service.metadata.name}:${port?.port}`,
      );
  });

  test('what the first pod fetched, the others take from it, with a hub that sends no file any more', async () => {
    const stage = read('fleet.yaml', 'Deployment').spec.template.spec;
    expect((await run(stage.initContainers![0]!)).exit).toBe(0);
    const [command, ...words] = placed(stage.containers[0]!).filter((word) => !/^--(host|port)=/.test(word));
    expect(command).toBe('serve');
    await using served = await startServing(workspace, words);
    hub.log.clear();
    hub.faults.add({ on: ['resolve', 'cdn'], times: 'always', effect: { kind: 'status', status: 503 } });
    const pods = ['DaemonSet', 'Job', 'Job'].map(async (kind) => {
      await using node = await Workspace.open({ endpoint: hub.origin });
      const workload = read('fleet.yaml', kind);
      const taking = placed(fetching(workload), node).map((word) =>
        word.startsWith('--from=') ? `--from=${served.url}` : word,
      );
      expect(await node.run(taking)).toMatchObject({ exit: 0 });
      expect(await compareWithTruth(node.path('models/mistral'), await hub.truth(MISTRAL_GPTQ))).toEqual([]);
      const work = workload.spec.template.spec.containers.find(runsProgram);
      if (work !== undefined) expect(await node.run(placed(work, node))).toMatchObject({ exit: 0 });
    });
    await Promise.all(pods).finally(() => hub.faults.clear());
    expect(hub.log.bytesSent({ kind: ['cdn', 'resolve-cache'] })).toBe(0);
  });
});
