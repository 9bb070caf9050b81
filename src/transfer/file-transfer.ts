import type { Hasher, IncrementalHash } from '../hash/hash-pool.ts';
import { type ByteRange, totalLength } from '../model/byte-range.ts';
import { type ContentDigests, digestMatches } from '../model/digest.ts';
import { FetchError } from '../model/error.ts';
import { IntervalSet } from '../model/interval-set.ts';
import { type PlannedFile, piecesFrom } from '../model/plan.ts';
import type { RemoteFile } from '../model/remote-file.ts';
import type { Location } from '../source/location.ts';
import type { StagedFile } from '../store/store.ts';
import { ChunkFlights } from './chunk-flights.ts';
import { ChunkMap } from './chunk-map.ts';
import { PeerShares } from './peer-shares.ts';
import type { RangeJob, RangeWindow } from './transport/transport.ts';

/** Bytes that the hash may lag behind the writes before it is advanced. */
const HASH_STEP_BYTES = 4 * 1024 * 1024;
/** A signed URL that expires within this time is not used for another range. */
const EXPIRY_MARGIN_MS = 60_000;
/** For short-lived URLs, the margin is at most this fraction of the lifetime: each new URL counts against a quota. */
const MARGIN_PART = 20;
/** How long connections share the failure of a look-up before it is tried again, in milliseconds. */
const REFUSAL_MS = 200;
/** How often a file whose hash is wrong is fetched again. */
const MAX_REPAIRS = 2;

/** Where a file's bytes are, and whether bytes were received from there. */
export class CachedLocation {
  location: Location;
  /** Bytes were received from it: a refusal now means that it has expired, not that it never worked. */
  worked = false;
  readonly #locatedAt: number;
  /** Parsed once: each request of each connection needs it. */
  #host: { readonly url: string; readonly origin: string } | undefined;

  constructor(location: Location, now: number) {
    this.location = location;
    this.#locatedAt = now;
  }

  /** The origin that serves the bytes; undefined if they do not come over HTTP. */
  get origin(): string | undefined {
    if (this.location.kind !== 'http') return undefined;
    const { url } = this.location;
    if (this.#host?.url !== url) this.#host = { url, origin: new URL(url).origin };
    return this.#host.origin;
  }

  /** Later ranges go directly to the address behind the redirects. */
  moveTo(url: string): void {
    if (this.location.kind !== 'http') return;
    // The expiry of the target is unknown: only its refusal will tell.
    this.location = { ...this.location, url, expiresAt: undefined };
  }

  endsSoon(now: number): boolean {
    const expiresAt = this.location.kind === 'http' ? this.location.expiresAt : undefined;
    if (expiresAt === undefined) return false;
    const lifetime = expiresAt - this.#locatedAt;
    // The URL looks expired at issue: the clocks differ. Ignore its date and rely on the server's refusal.
    if (lifetime <= 0) return false;
    return now > expiresAt - Math.min(EXPIRY_MARGIN_MS, lifetime / MARGIN_PART);
  }
}

/** How the bytes of a file come: in ranges over plain HTTP, or as chunks from Xet's content store. */
export type Way = 'http' | 'xet';

/** What a file in flight is made with. */
export interface FileTransferParts {
  readonly stage: (file: RemoteFile) => Promise<StagedFile>;
  readonly hasher: Hasher;
  /** How its bytes may come, the best way first. */
  readonly ways: readonly [Way, ...Way[]];
}

/** What one file in flight needs: its part on disk, the hash that follows it, the location its bytes come from. */
export class FileTransfer implements AsyncDisposable {
  readonly planned: PlannedFile;
  readonly #stage: (file: RemoteFile) => Promise<StagedFile>;
  readonly #hasher: Hasher;
  #opening: Promise<void> | undefined;
  #staged: StagedFile | undefined;
  #hash: IncrementalHash | undefined;
  #hashedTo = 0;
  /** Bytes below the hashed position were written again: the hash must restart. */
  #overwritten = false;
  #cached: CachedLocation | undefined;
  #asking: Promise<CachedLocation> | undefined;
  #refusal: { readonly error: unknown; readonly until: number } | undefined;
  #repairs = 0;
  /** How often only the doubtful part was fetched again. */
  #partialRepairs = 0;
  /** Those of them that were due to chunks. */
  #chunkRepairs = 0;
  #ways: readonly [Way, ...Way[]];
  /** What came as chunks in this run. */
  readonly chunks: ChunkMap = new ChunkMap();
  /** What requests under way bring as chunks. */
  readonly flights: ChunkFlights = new ChunkFlights();
  /** What came from peers in this run. */
  readonly shares: PeerShares = new PeerShares();
  /** Whether peers may be asked for it: not without a hash to check it by, and not after one of them may have lied. */
  mayComeFromPeers: boolean;
  #fetchedBytes = 0;
  #copiedBytes = 0;
  readonly #refusedAt = new Set<CachedLocation>();
  /** Connections that may be writing to it now. It is closed and renamed only when there are none. */
  segments = 0;
  /** How often a connection with no attempts left returned its segment to the queue. */
  returns = 0;
  /** Set when the file is finished or given up. */
  settled = false;
  /** Why a way was given up, as far as the user is to know. */
  failure: FetchError | undefined;
  /** A copy on this machine could not be used: everything that is missing comes from the source. */
  copyRefused = false;

  constructor(planned: PlannedFile, { stage, hasher, ways }: FileTransferParts) {
    this.planned = planned;
    this.#stage = stage;
    this.#hasher = hasher;
    this.#ways = ways;
    const { digest, sha256 } = planned.file;
    this.mayComeFromPeers = digest !== undefined || sha256 !== undefined;
  }

  /** How its bytes come now. */
  get way(): Way {
    return this.#ways[0];
  }

  /** It cannot be had this way. False if there is no other; many connections may say so of the same way. */
  giveUp(way: Way): boolean {
    if (this.#ways[0] !== way) return true;
    const [, next, ...others] = this.#ways;
    if (next === undefined) return false;
    this.#ways = [next, ...others];
    return true;
  }

  /** Its ranges are refused: request the whole file in one stream. */
  get wholeOnly(): boolean {
    return this.#refusedAt.size >= 2;
  }

  /** This address refused a range of the file as if it served none. Many connections may report the same address. */
  rangesRefused(location: CachedLocation): void {
    this.#refusedAt.add(location);
  }

  rangesServed(): void {
    if (this.#refusedAt.size > 0) this.#refusedAt.clear();
  }

  get file(): RemoteFile {
    return this.planned.file;
  }

  /** Bytes that came from the source in this run and stayed. */
  get fetchedBytes(): number {
    return this.#fetchedBytes;
  }

  /** Bytes that were copied from this machine in this run and stayed. */
  get copiedBytes(): number {
    return this.#copiedBytes;
  }

  /** Everything that this run added was copied from this machine. */
  get isCopy(): boolean {
    return this.#copiedBytes > 0 && this.#fetchedBytes === 0;
  }

  /** How often the whole file was fetched again because its hash was wrong. */
  get repairs(): number {
    return this.#repairs + this.#partialRepairs;
  }

  /**
   * Opens the part and starts the hash. `onOpen` is called once, with the number of held bytes and with the ranges
   * that the plan expected and the part lacks: the part may have changed since.
   */
  open(onOpen: (held: number, lost: readonly ByteRange[]) => void): Promise<void> {
    this.#opening ??= this.#open(onOpen).catch((error) => {
      // The process may be out of descriptors for a moment: allow another try as long as nothing is open.
      if (this.#staged === undefined) this.#opening = undefined;
      throw error;
    });
    return this.#opening;
  }

  async #open(onOpen: (held: number, lost: readonly ByteRange[]) => void): Promise<void> {
    const { file } = this;
    const held = piecesFrom(this.planned, 'held');
    const staged = await this.#stage(file);
    this.#staged = staged;
    // With --force-download the plan ignores an earlier part.
    if (held.length === 0) staged.restart();
    const git = file.digest?.algorithm === 'git-sha1';
    this.#hash = this.#hasher.follow(staged.partPath, file.size, { git });
    const expected = new IntervalSet([...staged.received.ranges, ...new IntervalSet(held).gaps(file.size)]);
    onOpen(staged.received.size, expected.gaps(file.size));
    this.#follow();
  }

  /** Which host serves its bytes; undefined while unknown. */
  get host(): string | undefined {
    const location = this.#cached?.location;
    return location?.kind === 'http' ? new URL(location.url).host : undefined;
  }

  get staged(): StagedFile {
    if (this.#staged === undefined) throw new FetchError('BUG', `${this.file.path} is not open`);
    return this.#staged;
  }

  /** What a transport is asked for: bytes of the window, from a location. */
  jobFor<L extends Location>(location: L, window: RangeWindow): RangeJob<L> {
    const { path, size: fileSize } = this.file;
    const { descriptor, partPath } = this.staged;
    return { location, path, fileSize, window, descriptor, partPath };
  }

  get complete(): boolean {
    return this.#staged?.received.size === this.file.size;
  }

  /** Offset of the first missing byte. */
  get firstMissing(): number {
    return this.staged.received.prefix();
  }

  /** Records a write of bytes from the source or from this machine; returns how many of them are new. */
  wrote(range: ByteRange, from: 'remote' | 'file' = 'remote'): number {
    // A stopped connection may finish a slow write late, and with other bytes.
    if (range.start < this.#hashedTo) this.#overwritten = true;
    const added = this.staged.wrote(range);
    if (from === 'file') this.#copiedBytes += added;
    else this.#fetchedBytes += added;
    this.#follow();
    return added;
  }

  /** Hash only completed writes without a gap before them: a count of bytes does not prove a prefix. */
  #follow(): void {
    const end = this.staged.received.prefix();
    if (end - this.#hashedTo < HASH_STEP_BYTES && end < this.file.size) return;
    this.#hashedTo = end;
    this.#hash?.advance(end);
  }

  /**
   * Where the bytes are. Looked up once for all connections, and again after `forgetLocation` or shortly before it
   * expires. A failed look-up is shared for a moment (`REFUSAL_MS`), so that connections do not all repeat it at
   * once.
   */
  async location(locate: () => Promise<Location>, now: () => number): Promise<CachedLocation> {
    if (this.#cached?.endsSoon(now()) === true) this.#cached = undefined;
    if (this.#cached !== undefined) return this.#cached;
    if (this.#refusal !== undefined && now() < this.#refusal.until) throw this.#refusal.error;
    this.#refusal = undefined;
    this.#asking ??= locate()
      .then((location) => {
        this.#cached = new CachedLocation(location, now());
        return this.#cached;
      })
      .catch((error) => {
        this.#refusal = { error, until: now() + REFUSAL_MS };
        throw error;
      })
      .finally(() => {
        this.#asking = undefined;
      });
    return await this.#asking;
  }

  forgetLocation(location: CachedLocation): void {
    if (this.#cached === location) this.#cached = undefined;
  }

  /**
   * Compares the hash of the content with the expected digest. On a mismatch the whole file is read once more from
   * disk before it is called wrong: the bytes on disk decide, not those hashed during the transfer. A file that is
   * only a local copy is read once, because a mismatch is likely to be real.
   */
  async verify(onSecondLook: () => void, signal: AbortSignal): Promise<ContentDigests | undefined> {
    const hash = this.#hash;
    if (hash === undefined) throw new FetchError('BUG', `${this.file.path} is not open`);
    if (this.#overwritten) hash.restart();
    this.#overwritten = false;
    const first = await hash.digests(signal);
    const { digest, pointer } = this.file;
    const root = this.chunks.count === 0 ? undefined : await this.chunks.fileHash(this.file.size);
    const isWrong = root !== undefined && root !== pointer?.xetHash;
    // Without a digest, the root of the chunks decides.
    if (digestMatches(first, digest) && (digest !== undefined || !isWrong)) return first;
    // What arrived was wrong: to read it once more would tell the same.
    if (this.isCopy || isWrong) return undefined;
    onSecondLook();
    hash.restart();
    const second = await hash.digests(signal);
    return digestMatches(second, this.file.digest) ? second : undefined;
  }

  /**
   * Forgets the bytes of a wrong file that are to be fetched again, and returns where they are; undefined when that was
   * done often enough. What a peer sent is doubted first. Of what came as chunks, xorbs whose root is their name stay.
   */
  async startRepair(): Promise<readonly ByteRange[] | undefined> {
    const { size } = this.file;
    const fromPeer = this.shares.examine();
    this.mayComeFromPeers &&= fromPeer === undefined;
    if (fromPeer !== undefined) {
      this.#partialRepairs += 1;
      this.#lose(fromPeer);
      return fromPeer;
    }
    const doubtful = await this.#doubtful();
    if (doubtful !== undefined) {
      // The store gets one more chance; what it then sends wrong comes over HTTP.
      if (this.#chunkRepairs > 0) this.giveUp('xet');
      this.#chunkRepairs += 1;
      this.#partialRepairs += 1;
      this.#lose(doubtful);
      if (this.way !== 'xet') this.chunks.forget();
      return doubtful;
    }
    // Of an empty file there is nothing to fetch again.
    if (size === 0) return undefined;
    if (this.#repairs >= MAX_REPAIRS) {
      // Whatever this way brings is wrong. The other one gets one chance.
      if (this.#repairs > MAX_REPAIRS || !this.giveUp(this.way)) return undefined;
    }
    this.#repairs += 1;
    this.startOver();
    return [{ start: 0, end: size }];
  }

  /** What of the file is not known to be right; undefined if that is nothing, or if nothing came as chunks. */
  async #doubtful(): Promise<readonly ByteRange[] | undefined> {
    if (this.chunks.count === 0) return undefined;
    const verified = new IntervalSet(await this.chunks.verified());
    const doubtful = verified.gaps(this.file.size);
    return doubtful.length === 0 ? undefined : doubtful;
  }

  #lose(ranges: readonly ByteRange[]): void {
    this.staged.restart(ranges);
    this.chunks.forget(ranges);
    this.#beginAnew();
    this.#fetchedBytes = Math.max(0, this.#fetchedBytes - totalLength(ranges));
  }

  /** Forgets every byte. */
  startOver(): void {
    this.chunks.forget();
    this.shares.clear();
    this.staged.restart();
    this.#beginAnew();
    this.#fetchedBytes = 0;
    this.#copiedBytes = 0;
  }

  /** Hashes from the first byte again, and asks anew where the bytes are. */
  #beginAnew(): void {
    this.#hash?.restart();
    this.#hashedTo = 0;
    this.#overwritten = false;
    this.#cached = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#hash?.close();
    this.#hash = undefined;
    await this.#opening?.catch(() => {});
    const staged = this.#staged;
    // Drop all references: a run may have tens of thousands of finished files.
    this.#staged = undefined;
    this.#cached = undefined;
    await staged?.[Symbol.asyncDispose]();
  }
}
