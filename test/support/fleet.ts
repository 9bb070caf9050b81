import { startThrottle, type Throttle } from '../bench/throttle.ts';
import { compareWithTruth } from './hub/compare.ts';
import { type Hub, startHub } from './hub/hub.ts';
import type { RepositoryDescription } from './hub/repositories/repository.ts';
import { type Run, type RunningProgram, Workspace } from './run-program.ts';
import { type ServingProgram, startServing } from './serving.ts';

/** Machines that fetch the same repository, each behind a link of its own, and the hub behind another one. */
export class Fleet implements AsyncDisposable {
  readonly hub: Hub;
  readonly nodes: readonly FleetNode[];
  readonly #repository: RepositoryDescription;
  readonly #link: Throttle;

  private constructor(
    hub: Hub,
    link: Throttle,
    nodes: readonly FleetNode[],
    repository: RepositoryDescription,
  ) {
    this.hub = hub;
    this.nodes = nodes;
    this.#link = link;
    this.#repository = repository;
  }

  /** `bytesPerSecond` is what the hub, and each machine, can send. */
  static async start(
    count: number,
    repository: RepositoryDescription,
    bytesPerSecond: number,
  ): Promise<Fleet> {
    const hub = await startHub({ repositories: [repository], directAnswers: true });
    const link = await startThrottle(
      { port: Number(new URL(hub.origin).port) },
      { totalBytesPerSecond: bytesPerSecond },
    );
    const endpoint = `http://127.0.0.1:${link.port}`;
    const nodes = await Promise.all(
      Array.from({ length: count }, () => FleetNode.start(endpoint, bytesPerSecond)),
    );
    return new Fleet(hub, link, nodes, repository);
  }

  /** Bytes that the hub has handed to the machines, with all its small answers. */
  get hubBytes(): number {
    return this.#link.bytesToClients;
  }

  get size(): Promise<number> {
    return this.hub
      .truth(this.#repository.id)
      .then((files) => files.reduce((sum, file) => sum + file.size, 0));
  }

  /** Starts a fetch on a machine that takes bytes from others, by their numbers. */
  fetch(node: number, from: readonly number[], words: readonly string[] = []): RunningProgram {
    const peers = from.flatMap((other) => ['--from', this.nodes[other]!.url]);
    return this.nodes[node]!.fetch([this.#repository.id, ...peers, ...words]);
  }

  /** What a machine lacks, or has wrong. */
  async amiss(node: number): Promise<readonly string[]> {
    const run = await this.nodes[node]!.fetch([this.#repository.id, '--offline', '-q']).ended;
    if (run.exit !== 0) return [run.stderr];
    const found = await compareWithTruth(run.stdout.trim(), await this.hub.truth(this.#repository.id));
    return found.map((difference) => JSON.stringify(difference));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) await node[Symbol.asyncDispose]();
    await this.#link.close();
    await this.hub.close();
  }
}

/** One machine: its central cache, what serves it, and the link to the others. */
export class FleetNode implements AsyncDisposable {
  readonly workspace: Workspace;
  readonly serving: ServingProgram;
  readonly #link: Throttle;

  private constructor(workspace: Workspace, serving: ServingProgram, link: Throttle) {
    this.workspace = workspace;
    this.serving = serving;
    this.#link = link;
  }

  static async start(endpoint: string, bytesPerSecond: number): Promise<FleetNode> {
    const workspace = await Workspace.open({ endpoint });
    const serving = await startServing(workspace, ['--cache-dir', workspace.path('cache')]);
    const port = Number(new URL(serving.url).port);
    const link = await startThrottle({ port }, { totalBytesPerSecond: bytesPerSecond });
    return new FleetNode(workspace, serving, link);
  }

  /** Where others reach it. */
  get url(): string {
    return `http://127.0.0.1:${this.#link.port}`;
  }

  fetch(words: readonly string[]): RunningProgram {
    return this.workspace.start([...words, '--cache-dir', this.workspace.path('cache')]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.serving[Symbol.asyncDispose]();
    await this.#link.close();
    await this.workspace[Symbol.asyncDispose]();
  }
}

/** Waits for runs and throws if one of them has failed. */
export async function allDone(programs: readonly RunningProgram[]): Promise<readonly Run[]> {
  const runs = await Promise.all(programs.map((program) => program.ended));
  for (const { exit, stderr } of runs) if (exit !== 0) throw new Error(`exit ${exit}: ${stderr}`);
  return runs;
}
