import { closeSync, openSync, readdirSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { HashSession } from '../../../src/hash/hash-session.ts';
import { IntervalSet } from '../../../src/model/interval-set.ts';
import { bytes, digestsOf, MIB } from '../../support/store-kit.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

function sessionOf(path: string, size: number): HashSession {
  const session = new HashSession(path, size, true);
  onTestFinished(() => session.close());
  return session;
}

describe('a session', () => {
  test('hashes a file written in any order, when it only follows what is complete', () => {
    const path = join(temporaryDirectory(), 'file');
    const edges = fc.array(fc.nat(2 * MIB + 300_000), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(edges, fc.integer(), fc.nat(30), (cuts, order, restartAt) => {
        const size = Math.max(...cuts);
        const content = bytes(size, 7);
        // What was not written yet is wrong on purpose.
        writeFileSync(path, Buffer.alloc(size, 0xee));
        const sorted = [...new Set([0, ...cuts])].sort((left, right) => left - right);
        const ranges = sorted.slice(1).map((end, index) => ({ start: sorted[index]!, end }));
        const shuffled = ranges
          .map((range, index) => ({ range, key: Math.imul(index + 1, order | 1) }))
          .sort((left, right) => left.key - right.key);
        const received = new IntervalSet();
        const session = new HashSession(path, size, true);
        const descriptor = openSync(path, 'r+');
        try {
          for (const [step, { range }] of shuffled.entries()) {
            writeSync(descriptor, content, range.start, range.end - range.start, range.start);
            received.add(range);
            session.advance(received.prefix());
            if (step === restartAt) session.restart();
          }
          expect(session.finish()).toEqual(digestsOf(content));
        } finally {
          closeSync(descriptor);
          session.close();
        }
      }),
      { numRuns: 60 },
    );
  });

  test('reads every byte once: what it has hashed may change unnoticed until a restart', () => {
    const path = join(temporaryDirectory(), 'file');
    const content = bytes(1000);
    writeFileSync(path, content);
    const session = sessionOf(path, 1000);
    session.advance(400);
    session.advance(100);
    const changed = Buffer.from(content);
    changed.fill(0, 0, 400);
    writeFileSync(path, changed);
    expect(session.finish()).toEqual(digestsOf(content));
    session.restart();
    expect(session.finish()).toEqual(digestsOf(changed));
  });

  test('goes on where it stopped when the missing bytes come', () => {
    const path = join(temporaryDirectory(), 'file');
    const content = bytes(1000);
    writeFileSync(path, content);
    truncateSync(path, 300);
    const session = sessionOf(path, 1000);
    expect(() => session.advance(500)).toThrow('it ends at 300, before 500');
    expect(() => session.finish()).toThrow('it ends at 300, before 1000');
    writeFileSync(path, content);
    expect(session.finish()).toEqual(digestsOf(content));
  });

  test('of an empty file needs no byte', () => {
    const path = join(temporaryDirectory(), 'file');
    writeFileSync(path, '');
    const session = sessionOf(path, 0);
    session.advance(0);
    expect(session.finish()).toEqual(digestsOf(Buffer.alloc(0)));
  });

  test.skipIf(process.platform !== 'linux')('lets go of the file', () => {
    const path = join(temporaryDirectory(), 'file');
    writeFileSync(path, '');
    const before = readdirSync('/proc/self/fd').length;
    for (let time = 0; time < 20; time += 1) new HashSession(path, 0, false).close();
    expect(readdirSync('/proc/self/fd')).toHaveLength(before);
  });
});
