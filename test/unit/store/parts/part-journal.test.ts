import { execFileSync } from 'node:child_process';
import { appendFileSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import type { ByteRange } from '../../../../src/model/byte-range.ts';
import { BLOCK_BYTES } from '../../../../src/model/flat-ranges.ts';
import { IntervalSet } from '../../../../src/model/interval-set.ts';
import { type PartIdentity, PartJournal } from '../../../../src/store/parts/part-journal.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';

const BOOT = '0123456789abcdef0123456789abcdef';

/** Three whole blocks and 500 bytes. */
const SIZE = 3 * BLOCK_BYTES + 500;
const identity: PartIdentity = { repo: 'owner/name', path: 'model.bin', size: SIZE, content: 'sha256:aa' };
const whole: ByteRange = { start: 0, end: SIZE };

function block(number: number): ByteRange {
  return { start: number * BLOCK_BYTES, end: Math.min(SIZE, (number + 1) * BLOCK_BYTES) };
}

let path: string;
beforeEach(() => {
  path = join(temporaryDirectory(), 'journal');
});

/** Writes a journal as a run would that received these ranges, in this order. */
function record(ranges: readonly ByteRange[], of: PartIdentity = identity): void {
  const journal = PartJournal.open(path, of, of.size, BOOT);
  const received = new IntervalSet(journal.held);
  for (const range of ranges) {
    received.add(range);
    journal.record(range, received);
  }
  journal.write();
  journal.close();
}

/** What the next run believes: looking and opening must agree. */
function held(of: PartIdentity = identity, partBytes: number = of.size): readonly ByteRange[] {
  const peeked = PartJournal.peek(path, of, partBytes, BOOT);
  const journal = PartJournal.open(path, of, partBytes, BOOT);
  expect(journal.held).toEqual(peeked);
  journal.close();
  expect(PartJournal.peek(path, of, of.size, BOOT)).toEqual(peeked);
  return peeked;
}

describe('a journal', () => {
  test('is one line of JSON and one byte per block', () => {
    record([block(1)]);
    const [line, boot, marks] = readFileSync(path, 'latin1').split('\n');
    expect(boot).toBe(BOOT);
    expect(JSON.parse(line!)).toEqual({ version: 2, block: BLOCK_BYTES, ...identity });
    expect(marks).toBe('\0\x01\0\0');
  });

  test('marks only blocks of which every byte was written', () => {
    record([{ start: 1, end: 2 * BLOCK_BYTES - 1 }]);
    expect(held()).toEqual([]);
    record([{ start: 10, end: BLOCK_BYTES + 1 }]);
    expect(held()).toEqual([]);
    // Only what this run received counts; the bytes before were in no whole block.
    record([
      { start: 5, end: BLOCK_BYTES },
      { start: 0, end: 5 },
    ]);
    expect(held()).toEqual([block(0)]);
  });

  test('marks the short block at the end', () => {
    record([{ start: 3 * BLOCK_BYTES, end: SIZE - 1 }]);
    expect(held()).toEqual([]);
    record([block(3)]);
    expect(held()).toEqual([block(3)]);
    record([whole]);
    expect(held()).toEqual([whole]);
  });

  test('holds the whole blocks of whatever was received, for any order of writes', () => {
    const edge = fc.oneof(
      fc.nat(SIZE),
      fc.nat(4).map((number) => Math.min(SIZE, number * BLOCK_BYTES)),
    );
    const range = fc
      .tuple(edge, edge)
      .map(([left, right]) => ({ start: Math.min(left, right), end: Math.max(left, right) }));
    fc.assert(
      fc.property(fc.array(range, { maxLength: 12 }), (ranges) => {
        writeFileSync(path, '');
        record(ranges);
        const received = new IntervalSet(ranges);
        const expected = new IntervalSet([0, 1, 2, 3].map(block).filter((one) => received.covers(one)));
        expect(held()).toEqual(expected.ranges);
      }),
      { numRuns: 100 },
    );
  });

  test('forgets everything when cleared', () => {
    record([whole]);
    const journal = PartJournal.open(path, identity, SIZE, BOOT);
    journal.clear();
    expect(journal.held).toEqual([]);
    journal.close();
    expect(held()).toEqual([]);
  });

  test('takes its room at once', () => {
    PartJournal.open(path, identity, 0, BOOT).close();
    const { length } = readFileSync(path);
    record([whole]);
    expect(readFileSync(path)).toHaveLength(length);
  });
});

describe('a part that was cut short', () => {
  test('holds only what is before its end', () => {
    record([whole]);
    expect(PartJournal.peek(path, identity, 2 * BLOCK_BYTES + 1, BOOT)).toEqual([
      { start: 0, end: 2 * BLOCK_BYTES },
    ]);
    expect(PartJournal.peek(path, identity, SIZE - 1, BOOT)).toEqual([{ start: 0, end: 3 * BLOCK_BYTES }]);
    expect(PartJournal.peek(path, identity, 0, BOOT)).toEqual([]);
  });

  test('does not hold the rest again when it has grown', () => {
    record([whole]);
    const journal = PartJournal.open(path, identity, 0, BOOT);
    // The last block alone makes the part as long as it ever was.
    journal.record(block(3), new IntervalSet([block(3)]));
    journal.write();
    journal.close();
    expect(held()).toEqual([block(3)]);
  });
});

describe('is not continued', () => {
  test.each<[string, Partial<PartIdentity>]>([
    ['another digest', { content: 'sha256:bb' }],
    ['another algorithm', { content: 'git-sha1:aa' }],
    ['another path', { path: 'model.bim' }],
    ['another repository', { repo: 'owner/other' }],
    ['another size', { size: SIZE - 1 }],
    ['another size with as many digits', { size: SIZE + 1 }],
  ])('a journal of %s', (_, change) => {
    record([whole], { ...identity, ...change });
    expect(held()).toEqual([]);
  });

  test.each<[string, (text: string) => string]>([
    ['empty', () => ''],
    ['torn in the header', (text) => text.slice(0, 20)],
    ['without the end of the header', (text) => text.split('\n')[0]!],
    ['of a later version', (text) => text.replace('"version":2', '"version":3')],
    ['of other blocks', (text) => text.replace(`"block":${BLOCK_BYTES}`, '"block":9999999')],
    ['something else', () => 'x'.repeat(500)],
    ['zeros, as after a power cut', (text) => '\0'.repeat(text.length)],
    ['edited in its header', (text) => text.replace('{"version"', '{ "version"')],
  ])('one that is %s', (_, change) => {
    record([whole]);
    writeFileSync(path, change(readFileSync(path, 'latin1')), 'latin1');
    expect(held()).toEqual([]);
    record([block(0)]);
    expect(held()).toEqual([block(0)]);
  });
});

describe('the marks', () => {
  test('that are missing do not hold', () => {
    record([whole]);
    truncateSync(path, readFileSync(path).length - 2);
    expect(held()).toEqual([{ start: 0, end: 2 * BLOCK_BYTES }]);
  });

  test('that are too many mean nothing', () => {
    record([block(0)]);
    appendFileSync(path, Buffer.alloc(100, 1));
    expect(held()).toEqual([block(0)]);
  });

  test('hold only if they are 1 or 2', () => {
    record([whole]);
    const text = readFileSync(path);
    text.set([3, 0x31, 0xff, 2], text.length - 4);
    writeFileSync(path, text);
    expect(held()).toEqual([block(3)]);
  });

  test('that were made before the machine went down hold only if they were durable', () => {
    const journal = PartJournal.open(path, identity, SIZE, BOOT);
    journal.record(block(0), new IntervalSet([block(0)]));
    const settle = journal.checkpoint();
    journal.record(block(1), new IntervalSet([block(0), block(1)]));
    settle();
    journal.close();
    expect(held()).toEqual([{ start: 0, end: 2 * BLOCK_BYTES }]);
    expect(PartJournal.peek(path, identity, SIZE, 'another start')).toEqual([block(0)]);
    PartJournal.open(path, identity, SIZE, 'another start').close();
    expect(PartJournal.peek(path, identity, SIZE, BOOT)).toEqual([block(0)]);
  });

  test('are not made durable by a checkpoint that began before all was forgotten', () => {
    const journal = PartJournal.open(path, identity, SIZE, BOOT);
    journal.record(whole, new IntervalSet([whole]));
    const settle = journal.checkpoint();
    journal.clear();
    settle();
    journal.close();
    expect(held()).toEqual([]);
  });
});

describe('what is not a regular file', () => {
  test('a link is not followed', () => {
    const target = `${path}-target`;
    record([whole]);
    writeFileSync(target, readFileSync(path));
    const before = readFileSync(target);
    const link = `${path}-link`;
    symlinkSync(target, link);
    expect(PartJournal.peek(link, identity, SIZE, BOOT)).toEqual([]);
    expect(() => PartJournal.open(link, identity, SIZE, BOOT)).toThrow();
    expect(readFileSync(target)).toEqual(before);
  });

  test.skipIf(process.platform === 'win32')('a pipe does not hold us up', () => {
    execFileSync('mkfifo', [path]);
    expect(PartJournal.peek(path, identity, SIZE, BOOT)).toEqual([]);
    expect(() => PartJournal.open(path, identity, SIZE, BOOT)).toThrow('is not a regular file');
  });
});

test('marks of many writes are written at once', () => {
  // Marks of blocks that are far apart: of the first page of marks, and of the second.
  const large = { ...identity, size: 8192 * BLOCK_BYTES };
  const journal = PartJournal.open(path, large, large.size, BOOT);
  const numbers = [1, 700, 5000];
  for (const number of numbers) {
    const range = { start: number * BLOCK_BYTES, end: (number + 1) * BLOCK_BYTES };
    journal.record(range, new IntervalSet([range]));
  }
  expect(PartJournal.peek(path, large, large.size, BOOT)).toEqual([]);
  journal.write();
  const blocks = PartJournal.peek(path, large, large.size, BOOT).map(({ start }) => start / BLOCK_BYTES);
  expect(blocks).toEqual(numbers);
  expect(journal.isUnwritten).toBe(false);
  journal.close();
});

describe('a checkpoint', () => {
  const durable = () => PartJournal.peek(path, identity, SIZE, 'f'.repeat(32));

  test('makes durable what was written before it, also by an earlier run, and nothing that came later', () => {
    record([block(0)]);
    const journal = PartJournal.open(path, identity, SIZE, BOOT);
    const received = new IntervalSet(journal.held);
    const write = (range: ByteRange) => {
      received.add(range);
      journal.record(range, received);
    };
    write(block(2));
    const settle = journal.checkpoint();
    write(block(3));
    expect(durable()).toEqual([]);
    settle();
    expect(durable()).toEqual([block(0), block(2)]);
    journal.checkpoint()();
    expect(durable()).toEqual([block(0), { start: block(2).start, end: SIZE }]);
    journal.close();
  });

  test('of a part that was begun anew meanwhile makes nothing durable', () => {
    const journal = PartJournal.open(path, identity, SIZE, BOOT);
    journal.record(whole, new IntervalSet([whole]));
    const settle = journal.checkpoint();
    journal.clear();
    journal.record(block(1), new IntervalSet([block(1)]));
    settle();
    expect(durable()).toEqual([]);
    journal.close();
  });

  test('writes no more than what is new, however large the part is', () => {
    // 12 million blocks: a mark for each would be 12 MB with every checkpoint.
    const huge = { ...identity, size: 3 * 2 ** 40 };
    const journal = PartJournal.open(path, huge, huge.size, BOOT);
    const received = new IntervalSet();
    for (const number of [5_000_000, 5_000_001]) {
      const range = { start: number * BLOCK_BYTES, end: (number + 1) * BLOCK_BYTES };
      received.add(range);
      journal.record(range, received);
    }
    journal.write();
    const before = readFileSync(path);
    journal.checkpoint()();
    const after = readFileSync(path);
    const marks = after.length - huge.size / BLOCK_BYTES;
    const changed = [5_000_000, 5_000_001].map((number) => marks + number);
    for (const at of changed) expect([before[at], after[at]]).toEqual([1, 2]);
    for (const at of changed) after[at] = 1;
    expect(after.equals(before)).toBe(true);
    journal.close();
  });
});
