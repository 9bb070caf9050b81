const MIB = 1024 * 1024;
/** Files up to this size are one piece: one request brings them. */
const SMALL_FILE_BYTES = 8 * MIB;
/** A file has about so many pieces, so that any number of runs can share it evenly. */
const PIECES = 256;
const MAX_PIECE_BYTES = 64 * MIB;

/**
 * Bytes of a piece of a file, a multiple of the journal's blocks. Runs that fetch the same revision share it by pieces, so
 * they must all cut it alike.
 */
export function pieceBytes(fileBytes: number): number {
  if (fileBytes <= SMALL_FILE_BYTES) return SMALL_FILE_BYTES;
  return Math.min(MAX_PIECE_BYTES, Math.max(1, Math.round(fileBytes / PIECES / MIB)) * MIB);
}

/**
 * The one of several runs that fetches a piece from the source, for the others too. Each run computes it by itself; where one
 * knows of a run more than another, they agree on all pieces but those of that run.
 */
export function ownerOf(nodes: Iterable<string>, path: string, piece: number): string | undefined {
  let owner: string | undefined;
  let best = -1;
  for (const node of nodes) {
    const rank = rankOf(node, path, piece);
    if (rank < best || (rank === best && node > (owner ?? ''))) continue;
    owner = node;
    best = rank;
  }
  return owner;
}

/** Where a run begins that knows of no other: hardly where another one does. */
export function firstPieceOf(node: string, path: string, size: number): number {
  const bytes = pieceBytes(size);
  const pieces = Math.max(1, Math.ceil(size / bytes));
  return (rankOf(node, path, -1) % pieces) * bytes;
}

/** How strongly a run claims a piece. */
function rankOf(node: string, path: string, piece: number): number {
  return spread(textHash(node) ^ spread(textHash(path) + Math.imul(piece + 1, 0x9e37_79b1)));
}

const hashes = new Map<string, number>();
const MAX_HASHES = 50_000;

/** FNV-1a. */
function textHash(text: string): number {
  const known = hashes.get(text);
  if (known !== undefined) return known;
  let hash = 0x811c_9dc5;
  for (let index = 0; index < text.length; index += 1)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x0100_0193);
  if (hashes.size >= MAX_HASHES) hashes.clear();
  hashes.set(text, hash >>> 0);
  return hash >>> 0;
}

/** The last step of MurmurHash3: each bit of the input changes half of the output. */
function spread(value: number): number {
  let hash = value >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
