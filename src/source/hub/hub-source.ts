import { datasetInfo, listFiles, modelInfo, spaceInfo } from '@huggingface/hub';
import { RateLimitGate } from '../../http/rate-limit-gate.ts';
import type { ByteRange } from '../../model/byte-range.ts';
import { FetchError } from '../../model/error.ts';
import { isRecord, type JsonRecord } from '../../model/json.ts';
import { suggestion } from '../../model/nearest.ts';
import type { RemoteFile } from '../../model/remote-file.ts';
import { type NamedRef, type RepoRef, type Revision, repoPath } from '../../model/repo.ts';
import type { HttpLocation, XetLocation } from '../location.ts';
import type { ScanFinding, SourceWith } from '../source.ts';
import { refsUrl, securityUrl } from './endpoints.ts';
import { getJson, type HubConnection, hubFetch } from './hub-api.ts';
import type { RequestSubject } from './hub-error.ts';
import { toRemoteFile } from './listing.ts';
import { type FileRequest, locateFile, unknownTraits } from './locate.ts';
import { RangeReader } from './read-range.ts';
import { lacksListing, siblingEntries } from './siblings.ts';
import { ContentStoreClient } from './xet/content-store-client.ts';

/** Far more than the 100,000 files that the Hub advises at most. */
const MAX_FILES = 2_000_000;
/** Larger sums are not exact, and no repository is so large. */
const MAX_TOTAL_BYTES = Number.MAX_SAFE_INTEGER;
const MAX_PAGES = 20_000;
/** Pages in a row without a new file after which the listing is given up. */
const MAX_IDLE_PAGES = 200;
/** The longest wait for the results of the scanners, in milliseconds. */
const MAX_SCAN_MS = 5000;
const MAX_FINDINGS = 10_000;
/** More names than this are no hint any more. */
const MAX_HINTS = 1000;
const COMMIT = /^[0-9a-f]{40}$/;
/** OWNER/NAME or NAME. It goes into URLs and becomes the name of a directory, so `..` is refused. */
const REPOSITORY = /^(?!\.+(\/|$))[\w.-]+(\/(?!\.+$)[\w.-]+)?$/;

/** What is read of the information about a revision. */
interface RevisionAnswer {
  readonly name?: unknown;
  readonly sha?: unknown;
  readonly gated?: unknown;
  readonly disabled?: unknown;
  readonly updatedAt?: unknown;
  readonly siblings?: unknown;
}

interface HubTraits {
  readonly branches: true;
  readonly scan: true;
  readonly read: true;
  readonly reconstruct: true;
}

/** The Hugging Face Hub, and mirrors that speak its protocol. */
export class HubSource implements SourceWith<HubTraits> {
  readonly kind = 'hub';
  readonly traits: HubTraits = { branches: true, scan: true, read: true, reconstruct: true };
  readonly #hub: HubConnection;
  readonly #withNames: boolean;
  readonly #traits = unknownTraits();
  readonly #reader: RangeReader;
  readonly #contentStore: ContentStoreClient;
  /** Names of files by commit, from answers about revisions. */
  readonly #names = new Map<string, readonly string[]>();

  /** `withNames`: the answer about the revision of a model brings the names of its files. */
  constructor(hub: HubConnection, { withNames = false }: { readonly withNames?: boolean } = {}) {
    this.#hub = hub;
    this.#withNames = withNames;
    this.#contentStore = new ContentStoreClient(hub);
    this.#reader = new RangeReader(hub, this.#traits);
  }

  async resolve(repo: RepoRef, revision: string, signal: AbortSignal): Promise<Revision> {
    let answer: RevisionAnswer;
    try {
      answer = await this.#ask(repo, revision, signal);
    } catch (error) {
      throw await this.#withNearest(error, repo, revision, signal);
    }
    const commit = typeof answer.sha === 'string' ? answer.sha.toLowerCase() : revision;
    if (!COMMIT.test(commit)) {
      throw new FetchError('NETWORK', `the hub does not say which commit "${revision}" of ${repo.id} is`, {
        hint: 'Check that the endpoint speaks the protocol of the Hugging Face Hub.',
      });
    }
    const id = typeof answer.name === 'string' && REPOSITORY.test(answer.name) ? answer.name : repo.id;
    const gated = answer.gated === 'auto' || answer.gated === 'manual' || answer.gated === true;
    const date = dateOf(answer.updatedAt);
    this.#names.set(commit, namesIn(answer.siblings));
    return { repo: { type: repo.type, id }, name: revision, id: commit, gated, ...(date ? { date } : {}) };
  }

  /** The information about a revision. */
  async #ask(repo: RepoRef, revision: string, signal: AbortSignal): Promise<RevisionAnswer> {
    const information = {
      model: modelInfo,
      dataset: datasetInfo,
      space: spaceInfo,
    };
    // The three differ only in fields that are not read here.
    const info = information[repo.type] as typeof modelInfo;
    const subject = this.#subject(`the revision ${revision}`, repo, revision);
    const ask = async (additionalFields: readonly string[]): Promise<RevisionAnswer> =>
      (await info({
        name: repo.id,
        revision,
        // They become values of `expand`; the type of the client lacks some.
        additionalFields: additionalFields as 'sha'[],
        hubUrl: this.#hub.endpoint,
        fetch: hubFetch(this.#hub, { subject, shape: (json) => namesCommit(json, revision) }, signal),
      })) as RevisionAnswer;
    // Datasets may have very many files.
    if (!this.#withNames || repo.type !== 'model') return await ask(['sha']);
    try {
      return await ask(['sha', 'siblings']);
    } catch (error) {
      // Mirrors refuse fields that they do not know.
      if (!(error instanceof FetchError) || error.status !== 400) throw error;
      return await ask(['sha']);
    }
  }

  namesOf({ id }: Revision): readonly string[] {
    return this.#names.get(id) ?? [];
  }

  async *list(revision: Revision, signal: AbortSignal): AsyncGenerator<RemoteFile> {
    // The id may come from a lockfile, where another source may have written it.
    if (!COMMIT.test(revision.id)) throw noCommit(revision);
    const pages = new Set<string>();
    const seen = new Map<string, RemoteFile>();
    let totalBytes = 0;
    let idlePages = 0;
    let filesBefore = 0;
    const notePage = (next: URL | undefined) => {
      if (next === undefined) return;
      idlePages = seen.size > filesBefore ? 0 : idlePages + 1;
      filesBefore = seen.size;
      if (pages.has(next.href)) throw endless(revision.repo, 'a page repeats');
      if (pages.size >= MAX_PAGES) throw endless(revision.repo, `there are more than ${MAX_PAGES} pages`);
      if (idlePages > MAX_IDLE_PAGES) throw endless(revision.repo, 'page after page brings no file');
      pages.add(next.href);
    };
    for await (const entry of this.#entries(revision, signal, notePage)) {
      const file = toRemoteFile(entry);
      if (file === undefined) continue;
      // Pages of a mirror may overlap. The same path with another content is yielded: the store refuses it.
      const before = seen.get(file.path);
      if (before !== undefined && before.size === file.size && before.digest?.hex === file.digest?.hex)
        continue;
      seen.set(file.path, file);
      totalBytes += file.size;
      if (seen.size > MAX_FILES) throw endless(revision.repo, `there are more than ${MAX_FILES} files`);
      if (totalBytes > MAX_TOTAL_BYTES)
        throw endless(revision.repo, 'the sizes add up to more than any disk holds');
      yield file;
    }
  }

  /** Entries of the listing, not yet checked. */
  async *#entries(
    revision: Revision,
    signal: AbortSignal,
    onPage: (next: URL | undefined) => void,
  ): AsyncGenerator<unknown> {
    const subject = this.#subject('the listing', revision.repo, revision.name);
    let began = false;
    try {
      for await (const entry of listFiles({
        repo: { type: revision.repo.type, name: revision.repo.id },
        recursive: true,
        revision: revision.id,
        hubUrl: this.#hub.endpoint,
        fetch: hubFetch(this.#hub, { subject, shape: Array.isArray, onPage }, signal),
      })) {
        began = true;
        yield entry;
      }
    } catch (error) {
      if (began || !lacksListing(error)) throw error;
      yield* await siblingEntries(this.#hub, { subject, revision, refused: error }, signal);
    }
  }

  locate(
    revision: Revision,
    file: RemoteFile,
    signal: AbortSignal,
    range?: ByteRange,
  ): Promise<HttpLocation> {
    return locateFile(this.#hub, { ...this.#request(revision, file), range }, this.#traits, signal);
  }

  expectChunks(revision: Revision, signal: AbortSignal): void {
    const subject = this.#subject('its chunks', revision.repo, revision.name);
    this.#contentStore.expect(revision, subject, signal);
  }

  reconstruct(
    revision: Revision,
    file: RemoteFile,
    range: ByteRange,
    signal: AbortSignal,
  ): Promise<XetLocation> {
    const subject = this.#subject(file.path, revision.repo, revision.name);
    return this.#contentStore.reconstruct(revision, file, range, subject, signal);
  }

  async branches(repo: RepoRef, signal: AbortSignal): Promise<readonly NamedRef[]> {
    const url = refsUrl(this.#hub.endpoint, repo);
    const { json } = await getJson(
      this.#hub,
      { subject: this.#subject('the branches', repo), url, shape: isRecord },
      signal,
    );
    const { branches, tags } = json as Record<string, unknown>;
    return [...namedRefs('branch', branches), ...namedRefs('tag', tags)];
  }

  read(revision: Revision, file: RemoteFile, range: ByteRange, signal: AbortSignal): Promise<Uint8Array> {
    return this.#reader.read(this.#request(revision, file), range, signal);
  }

  async scan(revision: Revision, signal: AbortSignal): Promise<readonly ScanFinding[] | undefined> {
    const url = securityUrl(this.#hub.endpoint, revision.repo, revision.id);
    const subject = this.#subject('scan results', revision.repo, revision.name);
    const { clock } = this.#hub;
    const late = new AbortController();
    const cancel = clock.after(MAX_SCAN_MS, () => late.abort(new Error('the scan took too long')));
    // A scan is advice: one short attempt, and its rate limit must not hold other requests back.
    const once: HubConnection = {
      ...this.#hub,
      gate: new RateLimitGate(clock, () => {}),
      retryContext: (what, ended) => {
        const context = this.#hub.retryContext(what, ended);
        return { ...context, policy: { ...context.policy, tries: 1 } };
      },
    };
    try {
      const { json } = await getJson(
        once,
        { subject, url, shape: isRecord },
        AbortSignal.any([signal, late.signal]),
      );
      return scanFindings(json as Record<string, unknown>);
    } finally {
      cancel();
    }
  }

  /** Adds the nearest names of branches and tags to the error for a missing revision. */
  async #withNearest(
    thrown: unknown,
    repo: RepoRef,
    revision: string,
    signal: AbortSignal,
  ): Promise<unknown> {
    if (!(thrown instanceof FetchError) || thrown.code !== 'NOT_FOUND') return thrown;
    // Do this for a missing repository too: mirrors report a missing branch as one.
    const refs = await this.branches(repo, signal).catch(() => []);
    signal.throwIfAborted();
    const names = refs.map((ref) => ref.name);
    if (names.length === 0) return thrown;
    return new FetchError('NOT_FOUND', `${repoPath(repo)} has no branch, tag or commit "${revision}"`, {
      cause: thrown,
      status: thrown.status,
      hint: suggestion(revision, names, 5),
    });
  }

  #request(revision: Revision, file: RemoteFile): FileRequest {
    const subject = { ...this.#subject(file.path, revision.repo, revision.name), path: file.path };
    return { subject, revision, file };
  }

  #subject(what: string, repo: RepoRef, revision?: string): RequestSubject {
    return { what, endpoint: this.#hub.endpoint, repo, revision, token: this.#hub.token };
  }
}

function noCommit({ repo, id }: Revision): FetchError {
  return new FetchError(
    'NOT_FOUND',
    `"${id}" is not a commit of ${repoPath(repo)}: the Hub has 40 hex digits`,
    {
      hint: 'Check the lockfile or manifest that names it, and write it anew.',
    },
  );
}

function endless({ id }: RepoRef, why: string): FetchError {
  return new FetchError('NETWORK', `the listing of ${id} never ends: ${why}`, {
    hint: 'The endpoint sends malformed answers. Try another one, or later.',
  });
}

/** Whether an answer names a commit. A request by full commit id needs no `sha` in the answer. */
function namesCommit(json: unknown, revision: string): boolean {
  if (!isRecord(json)) return false;
  const { sha } = json;
  return COMMIT.test(revision) || (typeof sha === 'string' && COMMIT.test(sha.toLowerCase()));
}

/** The names in `siblings`, if there are not too many. */
function namesIn(siblings: unknown): readonly string[] {
  if (!Array.isArray(siblings) || siblings.length > MAX_HINTS) return [];
  const names = (siblings as unknown[]).map((sibling) =>
    isRecord(sibling) ? sibling['rfilename'] : undefined,
  );
  return names.filter((name) => typeof name === 'string');
}

function dateOf(value: unknown): string | undefined {
  return value instanceof Date && !Number.isNaN(value.getTime()) ? value.toISOString() : undefined;
}

function* namedRefs(kind: NamedRef['kind'], list: unknown): Generator<NamedRef> {
  if (!Array.isArray(list)) return;
  for (const entry of list) {
    if (!isRecord(entry)) continue;
    const { name, targetCommit } = entry;
    if (typeof name === 'string' && typeof targetCommit === 'string') yield { kind, name, id: targetCommit };
  }
}

/**
 * The files that `securityRepoStatus` of a revision warns about; undefined if the Hub gives no result or has not
 * finished.
 */
function scanFindings(info: JsonRecord): readonly ScanFinding[] | undefined {
  const status = info['securityRepoStatus'];
  if (!isRecord(status)) return undefined;
  const { scansDone, filesWithIssues } = status;
  if (!Array.isArray(filesWithIssues)) return undefined;
  const findings: ScanFinding[] = [];
  for (const entry of filesWithIssues.slice(0, MAX_FINDINGS) as unknown[]) {
    if (!isRecord(entry)) continue;
    const { path, level } = entry;
    if (typeof path === 'string')
      findings.push({ path, level: typeof level === 'string' ? level : 'unsafe' });
  }
  return scansDone === false && findings.length === 0 ? undefined : findings;
}
