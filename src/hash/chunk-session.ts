import { closeSync, openSync, readSync } from 'node:fs';
import { MAX_CHUNK_BYTES } from '../model/chunks.ts';
import type { ChunkedFile, FileChunks } from './chunk-messages.ts';
import { Chunker } from './chunker.ts';
import { type HashedChunk, loadXetHashes } from './xet-hash.ts';

/** Bytes of one read: large enough that the system reads ahead. */
const READ_BYTES = 1024 * 1024;

/** Reads a file from its first byte to its last and returns its chunks. Synchronous reads: it belongs into a thread of its own. */
export async function readChunks(
  { path, size }: ChunkedFile,
  onRead: (bytes: number) => void,
): Promise<FileChunks> {
  const hashes = await loadXetHashes();
  const chunker = new Chunker();
  const chunks: HashedChunk[] = [];
  // The chunk under way stands before the bytes that are read.
  const buffer = Buffer.allocUnsafeSlow(MAX_CHUNK_BYTES + READ_BYTES);
  let begun = 0;
  let from = 0;
  const found = (length: number): void => {
    const hash = Uint8Array.from(hashes.chunk(buffer.subarray(from, from + length)));
    chunks.push({ hash, length });
    from += length;
  };
  const descriptor = openSync(path, 'r');
  try {
    for (let position = 0; position < size; ) {
      const read = readSync(descriptor, buffer, begun, Math.min(READ_BYTES, size - position), position);
      if (read === 0) throw new Error(`it ends at ${position}, before ${size}`);
      from = 0;
      chunker.push(buffer.subarray(begun, begun + read), found);
      buffer.copyWithin(0, from, begun + read);
      begun += read - from;
      position += read;
      onRead(read);
    }
  } finally {
    closeSync(descriptor);
  }
  from = 0;
  chunker.finish(found);
  return { lengths: chunks.map(({ length }) => length), xetHash: hashes.file(chunks) };
}
