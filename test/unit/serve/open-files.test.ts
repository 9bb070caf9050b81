import { mkdtempSync, readdirSync, readlinkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { OpenFiles } from '../../../src/serve/open-files.ts';
import { stampedFile } from '../../../src/store/records/stamp.ts';

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'open-'));
  path = join(directory, 'file');
  writeFileSync(path, 'first');
});

afterEach(() => rmSync(directory, { recursive: true }));

const heldFile = () => ({ path, ...stampedFile(path)!, verified: true });

/** Descriptors of this process that lead to the file. */
function descriptors(): number {
  const links = readdirSync('/proc/self/fd').map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return '';
    }
  });
  return links.filter((link) => link.startsWith(path)).length;
}

test.runIf(process.platform === 'linux')(
  'all users of a file share a descriptor, and the last one closes it',
  async () => {
    const files = new OpenFiles();
    const opened = await Promise.all([1, 2, 3].map(() => files.open(heldFile())));
    expect(descriptors()).toBe(1);
    for (const file of opened) await file![Symbol.asyncDispose]();
    expect(descriptors()).toBe(0);
    const old = heldFile();
    writeFileSync(`${path}.new`, 'other');
    const first = await files.open(old);
    renameSync(`${path}.new`, path);
    const second = await files.open(heldFile());
    const bytes = Buffer.alloc(5);
    await second!.read(bytes, 0, 5);
    expect(String(bytes)).toBe('other');
    expect(await first!.isUnchanged()).toBe(false);
    await first![Symbol.asyncDispose]();
    await second![Symbol.asyncDispose]();
    // What was verified is not there any more.
    expect(await Promise.all([files.open(old), files.open(old)])).toEqual([undefined, undefined]);
    expect(descriptors()).toBe(0);
  },
);
