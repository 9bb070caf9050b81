import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FetchError } from '../../src/model/error.ts';
import type { RemoteFile } from '../../src/model/remote-file.ts';
import type { RepoRef, Revision } from '../../src/model/repo.ts';
import { requireHttp } from '../../src/source/location.ts';
import { can, type Source, type SourceAbilities } from '../../src/source/source.ts';
import type { TruthFile } from '../support/hub/truth.ts';

/** A file as the source must list and serve it. */
type TrueFile = Pick<TruthFile, 'path' | 'size' | 'sha256' | 'gitSha1' | 'bytes'>;

/** A source and what stands behind it, with one repository that has every kind of revision. */
export interface SourceWorld extends AsyncDisposable {
  readonly source: Source;
  readonly repo: RepoRef;
  readonly missingRepo: RepoRef;
  /** What can be asked for, and the id that it means. The first is the one that is used for everything else. */
  readonly revisions: readonly { readonly name: string; readonly id: string }[];
  readonly refs: readonly { readonly kind: 'branch' | 'tag'; readonly name: string }[];
  truth(revision: string): Promise<readonly TrueFile[]>;
  /** Requests that have arrived so far, at whichever host. */
  requests(): number;
  /** The next requests fail in a way that passes. */
  failNext(times: number): void;
  /** The next request is never answered. */
  stallNext(): void;
  /** What `resolve` has read is the listing too: `list` needs no request after it. */
  readonly resolveLists?: boolean;
}

export async function listed(source: Source, revision: Revision): Promise<RemoteFile[]> {
  const files: RemoteFile[] = [];
  for await (const file of source.list(revision, new AbortController().signal)) files.push(file);
  return files;
}

export async function refusalOf(work: Promise<unknown>): Promise<FetchError> {
  const error = await work.then(
    (value) => new Error(`was not refused but gave ${JSON.stringify(value)}`),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof FetchError)) throw error;
  return error;
}

/** What every source promises. `open` is called once; the suite leaves the world as it was. */
export function sourceContract(name: string, open: () => Promise<SourceWorld>): void {
  describe(`${name} keeps the contract of a source`, () => {
    let world: SourceWorld;
    const { signal } = new AbortController();

    beforeAll(async () => {
      world = await open();
    });

    afterAll(() => world[Symbol.asyncDispose]());

    const pinned = () => world.source.resolve(world.repo, world.revisions[0]!.name, signal);

    test('pins every kind of revision to its id', async () => {
      for (const { name: asked, id } of world.revisions) {
        expect(await world.source.resolve(world.repo, asked, signal)).toMatchObject({
          repo: world.repo,
          name: asked,
          id,
        });
      }
    });

    test('lists every file of every revision with its size and digest, and no directories', async () => {
      for (const { name: asked } of world.revisions) {
        const files = await listed(world.source, await world.source.resolve(world.repo, asked, signal));
        const truth = await world.truth(asked);
        expect(files.map((file) => file.path).sort()).toEqual(truth.map((file) => file.path).sort());
        for (const file of files) {
          const real = truth.find((other) => other.path === file.path)!;
          expect(file.size).toBe(real.size);
          const { sha256, gitSha1 } = real;
          const { algorithm, hex } = file.digest!;
          expect(hex).toBe(algorithm === 'sha256' ? sha256 : gitSha1);
        }
      }
    });

    test('has the abilities that its traits promise, and no others', () => {
      const abilities: readonly (keyof SourceAbilities)[] = ['branches', 'scan', 'read'];
      for (const ability of abilities) {
        expect(typeof world.source[ability]).toBe(can(world.source, ability) ? 'function' : 'undefined');
      }
    });

    test('names branches and tags with the ids that they resolve to', async ({ skip }) => {
      const { source } = world;
      if (!can(source, 'branches')) return skip('it has no branches');
      const refs = await source.branches(world.repo, signal);
      expect(refs.map(({ kind, name: ref }) => ({ kind, name: ref }))).toEqual(world.refs);
      for (const ref of refs) {
        const { id } = await source.resolve(world.repo, ref.name, signal);
        expect(ref.id ?? id).toBe(id);
      }
    });

    test('locates every file where its bytes answer to ranges', async () => {
      const revision = await pinned();
      const truth = await world.truth(revision.name);
      for (const file of await listed(world.source, revision)) {
        const found = await world.source.locate(revision, file, signal);
        if (found.kind === 'memory') {
          const held = await truth.find((other) => other.path === file.path)!.bytes();
          expect(Buffer.from(found.bytes).equals(held)).toBe(true);
          continue;
        }
        const { url, authorization } = requireHttp(found);
        // Plain data, so that it can cross threads.
        expect(structuredClone({ url, authorization })).toEqual({ url, authorization });
        if (file.size === 0) continue;
        const start = Math.floor(file.size / 2);
        const headers: Record<string, string> = { range: `bytes=${start}-${file.size - 1}` };
        if (authorization !== undefined) headers['authorization'] = authorization.value;
        const answer = await fetch(url, { headers });
        const whole = await truth.find((other) => other.path === file.path)!.bytes();
        const received = Buffer.from(await answer.arrayBuffer());
        expect(answer.status).toBe(206);
        expect(received.equals(whole.subarray(start))).toBe(true);
      }
    });

    test('reads pieces of every file, the whole of small ones, and nothing behind the end', async ({
      skip,
    }) => {
      const { source } = world;
      if (!can(source, 'read')) return skip('it does not read');
      const revision = await pinned();
      const truth = await world.truth(revision.name);
      for (const file of await listed(world.source, revision)) {
        const whole = await truth.find((other) => other.path === file.path)!.bytes();
        const middle = Math.floor(file.size / 2);
        for (const [start, end] of [
          [0, Math.min(file.size, 5000)],
          [middle, middle + 100],
          [middle, file.size + 1000],
        ]) {
          const range = { start: start!, end: Math.min(end!, start! + 100_000) };
          const bytes = await source.read(revision, file, range, signal);
          expect(Buffer.from(bytes).equals(whole.subarray(range.start, range.end))).toBe(true);
        }
        expect(
          await source.read(revision, file, { start: file.size, end: file.size + 9 }, signal),
        ).toHaveLength(0);
      }
    });

    test('a scan says what was found, or nothing', async ({ skip }) => {
      const { source } = world;
      if (!can(source, 'scan')) return skip('it does not scan');
      const findings = await source.scan(await pinned(), signal);
      expect(findings === undefined || Array.isArray(findings)).toBe(true);
    });

    test('resolve, list, branches and read try again by themselves', async () => {
      const { source } = world;
      const revision = await pinned();
      const works: (() => Promise<unknown>)[] = [() => pinned()];
      if (world.resolveLists !== true) works.push(() => listed(source, revision));
      if (can(source, 'branches')) works.push(() => source.branches(world.repo, signal));
      for (const work of works) {
        const start = world.requests();
        await work();
        const before = world.requests();
        world.failNext(2);
        await work();
        expect(world.requests() - before).toBe(before - start + 2);
      }
      if (!can(source, 'read')) return;
      const [file] = await listed(source, revision);
      world.failNext(2);
      await source.read(revision, file!, { start: 0, end: 1 }, signal);
    });

    test('a scan is advice: it makes one attempt', async ({ skip }) => {
      const { source } = world;
      if (!can(source, 'scan')) return skip('it does not scan');
      const revision = await pinned();
      world.failNext(1);
      const before = world.requests();
      await refusalOf(source.scan(revision, signal));
      expect(world.requests() - before).toBe(1);
    });

    test('locate does not: it makes one attempt', async () => {
      const revision = await pinned();
      const [file] = await listed(world.source, revision);
      world.failNext(1);
      const before = world.requests();
      const error = await refusalOf(world.source.locate(revision, file!, signal));
      expect(error).toMatchObject({ code: 'NETWORK', retryable: true });
      expect(world.requests() - before).toBe(1);
      await world.source.locate(revision, file!, signal);
    });

    test('names what is missing', async () => {
      const revision = await pinned();
      const missing = [
        () => world.source.resolve(world.repo, 'no-such-revision', signal),
        () => world.source.locate(revision, { path: 'no/such.file', size: 1, digest: undefined }, signal),
      ];
      for (const work of missing) {
        expect(await refusalOf(work())).toMatchObject({
          code: 'NOT_FOUND',
          side: 'source',
          retryable: false,
        });
      }
      const error = await refusalOf(world.source.resolve(world.missingRepo, 'main', signal));
      // Some sources do not tell what is missing from what is private.
      expect(['NOT_FOUND', 'ACCESS']).toContain(error.code);
    });

    test('stops at once when it is told to, with the reason', async () => {
      const { source } = world;
      const revision = await pinned();
      const [file] = await listed(source, revision);
      const LIST = 2;
      const works: ((aborting: AbortSignal) => Promise<unknown>)[] = [
        (aborting) => source.resolve(world.repo, revision.name, aborting),
        (aborting) => source.locate(revision, file!, aborting),
        async (aborting) => {
          for await (const _ of source.list(revision, aborting)) break;
        },
      ];
      if (can(source, 'branches')) works.push((aborting) => source.branches(world.repo, aborting));
      if (can(source, 'read'))
        works.push((aborting) => source.read(revision, file!, { start: 0, end: 1 }, aborting));
      if (can(source, 'scan')) works.push((aborting) => source.scan(revision, aborting));
      for (const [index, work] of works.entries()) {
        const reason = new Error('stop');
        await expect(work(AbortSignal.abort(reason))).rejects.toBe(reason);
        if (index === LIST && world.resolveLists === true) continue;
        world.stallNext();
        const controller = new AbortController();
        const running = work(controller.signal);
        setTimeout(() => controller.abort(reason), 30);
        // Its own reason, and not the end of the stall that it met.
        await expect(running).rejects.toBe(reason);
      }
    });
  });
}
