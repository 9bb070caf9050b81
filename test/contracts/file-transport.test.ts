import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FileTransport } from '../../src/transfer/transport/file-transport.ts';
import { bytes } from '../support/store-kit.ts';
import { ASKED, Job, PATH, rangeTransportContract, SIZE } from './range-transport.contract.ts';

let directory: string;
let path: string;
const content = bytes(SIZE, 3);
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'fetch-file-transport-'));
  path = join(directory, 'copy');
  writeFileSync(path, content);
});
afterEach(() => rmSync(directory, { recursive: true }));

rangeTransportContract('FileTransport', async () => {
  const own = mkdtempSync(join(tmpdir(), 'fetch-file-transport-'));
  const original = join(own, 'original');
  writeFileSync(original, content);
  return {
    transport: new FileTransport(),
    location: { kind: 'file', path: original, offset: 0 },
    gone: { kind: 'file', path: join(own, 'none'), offset: 0 },
    content,
    [Symbol.asyncDispose]: async () => rmSync(own, { recursive: true }),
  };
});

const { signal } = new AbortController();
const bring = (job: Job) => new FileTransport().bring(job.job as never, job.observer, signal);

test('reads at the offset at which the file lies in the other', async () => {
  const before = Buffer.alloc(1000, 1);
  writeFileSync(path, Buffer.concat([before, content]));
  using job = new Job({ kind: 'file', path, offset: before.length }, { start: 0, end: SIZE });
  await bring(job);
  job.expectOnly(content, { start: 0, end: SIZE });
});

test('keeps the mode of the part, whatever the original has', async () => {
  chmodSync(path, 0o444);
  using job = new Job({ kind: 'file', path, offset: 0 }, { start: 0, end: SIZE });
  const { mode } = statSync(job.job.partPath!);
  await bring(job);
  job.expectOnly(content, { start: 0, end: SIZE });
  expect(statSync(job.job.partPath!).mode).toBe(mode);
});

test('says where a file ends that is too short, and keeps what came', async () => {
  truncateSync(path, 2_000_000);
  using job = new Job({ kind: 'file', path, offset: 0 }, ASKED);
  await expect(bring(job)).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: `${PATH}: not taken from ${path}: it ends at 2000000`,
  });
  job.expectOnly(content, { start: ASKED.start, end: 2_000_000 });
});

test.each(['a directory', 'a named pipe'])('refuses %s, at once', async (kind) => {
  const odd = join(directory, 'odd');
  if (kind === 'a directory') execFileSync('mkdir', [odd]);
  else execFileSync('mkfifo', [odd]);
  using job = new Job({ kind: 'file', path: odd, offset: 0 }, ASKED);
  await expect(bring(job)).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: `${PATH}: not taken from ${odd}: it is not a file`,
  });
  job.expectOnly(content);
});
