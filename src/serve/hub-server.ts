import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { RemoteFile } from '../model/remote-file.ts';
import type { HeldRevision, UnfinishedRevision } from '../store/held-revision.ts';
import type { Clock } from '../system/clock.ts';
import {
  type Answer,
  jsonAnswer,
  jsonTextAnswer,
  NO_ENTRY,
  NO_REPO,
  NOTHING,
  noRevision,
  refusal,
} from './answer.ts';
import { ByteBudget } from './byte-budget.ts';
import type { Catalog } from './catalog.ts';
import { infoDocument, pathEntries, refsDocument, treeEntries } from './documents.ts';
import { fileAnswer, notWritten, partialAnswer, partialRange, pointerAnswer } from './file-answer.ts';
import { OpenFiles } from './open-files.ts';
import { COMPLETE, PartialStatus } from './partial-status.ts';
import { readPaths } from './read-paths.ts';
import { parseRoute, parseTarget, type Route, splitRevision } from './route.ts';
import { seldom } from './seldom.ts';
import { FileSender, type OpenedFile } from './send-file.ts';
import { treePage } from './tree-page.ts';
import type { VerifiedFiles } from './verified-files.ts';

/** A request that does not send its head within this time ends: slow heads must not take up connections. */
const HEAD_TIMEOUT_MS = 10_000;
/** Time for a whole request. Only paths-info has a body. */
const REQUEST_TIMEOUT_MS = 30_000;
/** A client that takes no byte for this time is gone. */
const IDLE_TIMEOUT_MS = 60_000;
const KEEP_ALIVE_MS = 15_000;
const MAX_CONNECTIONS = 8192;
/** Requests of one connection that are not answered yet. Clients of the Hub send one at a time. */
const MAX_PIPELINED = 4;
/** Of requests that are not read to the end, and documents that clients have not taken yet. */
const MAX_DOCUMENT_BYTES = 48 * 1024 * 1024;

export interface HubServerOptions {
  readonly catalog: Catalog;
  readonly files: VerifiedFiles;
  readonly clock: Clock;
  /** Receives failures of single requests. */
  readonly tell: (message: string) => void;
}

/** The HTTP server of a read-only hub, not yet listening: answers what clients of the Hub ask, and 404 for everything that is not here. */
export function createHubServer({ catalog, files, clock, tell }: HubServerOptions): Server {
  const budget = new ByteBudget(MAX_DOCUMENT_BYTES);
  const hub = new HubRequests(catalog, files, budget, new PartialStatus(files, clock));
  const answers = new Answers(new FileSender(clock), budget);
  const tellFailure = seldom(tell, clock);
  const limits = {
    headersTimeout: HEAD_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: 1000,
  };
  const server = createServer(limits, async (request, response) => {
    try {
      if (await answers.turn(request, response))
        await answers.send(await hub.answer(request), request, response);
    } catch (error) {
      // A client that goes away is no failure of ours.
      if (!response.destroyed) tellFailure(`a request failed: ${(error as Error).message}`);
      if (response.headersSent || response.destroyed) response.destroy();
      else await answers.send(CANNOT_ANSWER, request, response);
    }
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.setTimeout(IDLE_TIMEOUT_MS);
  return server;
}

/** Too many files are open, or the disk fails: whether it is here is not known now, and clients try again later. */
const CANNOT_ANSWER = refusal(503, 'This hub cannot answer now', { 'Retry-After': 1 });

/** Sends answers, within the limits of a connection and of the memory. */
class Answers {
  readonly #sender: FileSender;
  readonly #budget: ByteBudget;
  readonly #waiting = new WeakMap<Socket, Promise<void>[]>();

  constructor(sender: FileSender, budget: ByteBudget) {
    this.#sender = sender;
    this.#budget = budget;
  }

  /**
   * Waits until the requests before it on the same connection are answered: what waits costs nothing but itself. False if the
   * connection is gone, or is ended because too many wait.
   */
  async turn({ socket }: IncomingMessage, response: ServerResponse): Promise<boolean> {
    const waiting = this.#waiting.get(socket) ?? [];
    this.#waiting.set(socket, waiting);
    if (waiting.length >= MAX_PIPELINED) {
      socket.destroy();
      return false;
    }
    const before = waiting.at(-1);
    const ended = endOf(socket, response).then(() => void waiting.shift());
    waiting.push(ended);
    await before;
    return !socket.destroyed;
  }

  async send(
    { status, headers, body }: Answer,
    { method }: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    response.writeHead(status, headers);
    if (body === undefined || Buffer.isBuffer(body)) {
      const sent = method === 'HEAD' || body === undefined ? Buffer.alloc(0) : body;
      response.once(
        'close',
        this.#budget.hold(sent.length, () => response.destroy()),
      );
      response.end(sent);
      return;
    }
    await using file = body.file;
    if (method === 'HEAD') response.end();
    else await this.#sender.send(response, file, body.range);
  }
}

/** Resolves when an answer has ended. One that waits for its turn does not hear that its connection ends. */
function endOf(socket: Socket, response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const onEnd = () => {
      socket.off('close', onEnd);
      response.off('close', onEnd);
      resolve();
    };
    socket.once('close', onEnd);
    response.once('close', onEnd);
  });
}

/** What each request is answered with. */
class HubRequests {
  readonly #catalog: Catalog;
  readonly #files: VerifiedFiles;
  readonly #budget: ByteBudget;
  readonly #status: PartialStatus;
  readonly #open = new OpenFiles();

  constructor(catalog: Catalog, files: VerifiedFiles, budget: ByteBudget, status: PartialStatus) {
    this.#catalog = catalog;
    this.#files = files;
    this.#budget = budget;
    this.#status = status;
  }

  async answer(request: IncomingMessage): Promise<Answer> {
    const { path, query } = parseTarget(request.url ?? '');
    const route = parseRoute(path);
    if (route === undefined) return NOTHING;
    const allowed = route.kind === 'paths-info' ? ['POST'] : ['GET', 'HEAD'];
    if (!allowed.includes(request.method ?? ''))
      return refusal(405, 'This hub is read-only', { Allow: allowed.join(', ') });
    const parameters = new URLSearchParams(query);
    if (route.kind === 'refs') return this.#refs(route, parameters);
    if (route.kind === 'partial') return this.#partial(route);
    const unfinished = isTrue(parameters.get('partial')) ? this.#unfinished(route) : undefined;
    if (unfinished !== undefined) return await this.#part(unfinished, request);
    const found = this.#find(route);
    if ('status' in found) return found;
    const answer = await this.#about(route, found, parameters, request);
    // Every answer about a revision names its commit, as on the Hub.
    return { ...answer, headers: { ...answer.headers, 'X-Repo-Commit': found.revision.commit } };
  }

  #refs({ repo }: Route, parameters: URLSearchParams): Answer {
    const refs = this.#catalog.refs(repo);
    return refs === undefined
      ? NO_REPO
      : jsonAnswer(refsDocument(refs, parameters.get('include_prs') === '1'));
  }

  /** What is here of a commit, for machines that also take what is unfinished. */
  #partial({ repo, rest }: Route): Answer {
    const commit = rest.join('/');
    const unfinished = this.#catalog.unfinished(repo, commit);
    if (unfinished !== undefined) return jsonTextAnswer(this.#status.document(unfinished));
    const found = this.#catalog.find(repo, commit);
    return found.kind === 'revision' && found.revision.commit === commit
      ? jsonTextAnswer(COMPLETE)
      : noRevision(commit);
  }

  /** The unfinished file that a request names by its commit, for a client that says that it takes such. */
  #unfinished({ kind, repo, rest }: Route): UnfinishedFile | undefined {
    const [commit = '', ...path] = rest;
    const revision = kind === 'resolve' ? this.#catalog.unfinished(repo, commit) : undefined;
    const file = revision?.files.get(path.join('/'));
    return revision === undefined || file === undefined ? undefined : { revision, file };
  }

  async #part({ revision, file }: UnfinishedFile, request: IncomingMessage): Promise<Answer> {
    const whole = await this.#openFile(revision, file, true);
    if (whole !== undefined) return await this.#fromFile(request, file, whole);
    const range = partialRange(request, file);
    const part = range === undefined ? undefined : await revision.openPart(file, range);
    return part === undefined || range === undefined ? notWritten(file) : partialAnswer(file, range, part);
  }

  async #openFile(revision: HeldRevision, file: RemoteFile, quiet = false): Promise<OpenedFile | undefined> {
    const found = this.#files.find(revision, file, quiet);
    return found.kind === 'verified' ? await this.#open.open(found.held) : undefined;
  }

  async #fromFile(request: IncomingMessage, file: RemoteFile, opened: OpenedFile): Promise<Answer> {
    const answer = fileAnswer(request, file, opened);
    if (answer.body === undefined || Buffer.isBuffer(answer.body)) await opened[Symbol.asyncDispose]();
    return answer;
  }

  /** The revision that a request names, and the path behind it. */
  #find({ kind, repo, rest }: Route): FoundPath | Answer {
    const isKnown = (name: string) => this.#catalog.find(repo, name).kind === 'revision';
    const named =
      kind === 'info'
        ? { revision: 'HEAD', path: '' }
        : kind === 'revision' || kind === 'paths-info'
          ? { revision: rest.join('/'), path: '' }
          : splitRevision(rest, isKnown);
    const found = this.#catalog.find(repo, named.revision);
    if (found.kind === 'revision') return { revision: found.revision, path: named.path };
    return found.kind === 'no-repo' ? NO_REPO : noRevision(named.revision);
  }

  async #about(
    { kind }: Route,
    { revision, path }: FoundPath,
    parameters: URLSearchParams,
    request: IncomingMessage,
  ): Promise<Answer> {
    if (kind === 'info' || kind === 'revision')
      return jsonAnswer(infoDocument(revision, { blobs: isTrue(parameters.get('blobs')) }));
    if (kind === 'tree') return treeAnswer(request, revision, path, parameters);
    if (kind === 'paths-info') {
      const paths = await readPaths(request, this.#budget);
      return paths === undefined
        ? refusal(400, 'The paths are missing')
        : jsonAnswer(pathEntries(revision, paths));
    }
    const file = revision.files.get(path);
    if (file === undefined) return NO_ENTRY;
    const pointer = kind === 'raw' ? pointerAnswer(file) : undefined;
    if (pointer !== undefined) return pointer;
    const opened = await this.#openFile(revision, file);
    return opened === undefined ? NO_ENTRY : await this.#fromFile(request, file, opened);
  }
}

interface FoundPath {
  readonly revision: HeldRevision;
  readonly path: string;
}

interface UnfinishedFile {
  readonly revision: UnfinishedRevision;
  readonly file: RemoteFile;
}

function treeAnswer(
  request: IncomingMessage,
  revision: HeldRevision,
  directory: string,
  parameters: URLSearchParams,
): Answer {
  const entries = treeEntries(revision, directory, isTrue(parameters.get('recursive')));
  if (entries === undefined) return NO_ENTRY;
  const page = treePage(entries, { limit: parameters.get('limit'), cursor: parameters.get('cursor') });
  if (page.next === undefined) return jsonAnswer(page.entries);
  const next = new URLSearchParams(parameters);
  next.set('cursor', page.next);
  const { path } = parseTarget(request.url ?? '');
  return jsonAnswer(page.entries, { Link: `<${originOf(request)}${path}?${next}>; rel="next"` });
}

/** Python writes `True`, others `true` or `1`. */
function isTrue(value: string | null): boolean {
  return value !== null && ['true', '1'].includes(value.toLowerCase());
}

/** As the client named this server: a link must be absolute, and lead back by the same name. */
function originOf({ headers, socket, url = '' }: IncomingMessage): string {
  const host = parseTarget(url).authority ?? headers.host;
  if (host !== undefined && /^[A-Za-z0-9._:[\]-]{1,255}$/.test(host)) return `http://${host}`;
  const { localAddress = '127.0.0.1', localPort = 80 } = socket;
  return `http://${localAddress.includes(':') ? `[${localAddress}]` : localAddress}:${localPort}`;
}
