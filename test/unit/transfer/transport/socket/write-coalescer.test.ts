import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  WriteCoalescer,
  type WriteTarget,
} from '../../../../../src/transfer/transport/socket/write-coalescer.ts';

class Owner implements WriteTarget {
  readonly puts: Buffer[] = [];

  put(bytes: Buffer): void {
    // The bytes are only there during the call.
    this.puts.push(Buffer.from(bytes));
  }

  get all(): string {
    return Buffer.concat(this.puts).toString('hex');
  }
}

const KIB = 1024;

test('what every owner is given arrives in order and whole, whichever owners take turns', async () => {
  const piece = fc.record({
    owner: fc.nat(2),
    length: fc.integer({ min: 1, max: 600 * KIB }),
    rest: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (pieces) => {
      const coalescer = new WriteCoalescer();
      const owners = [new Owner(), new Owner(), new Owner()];
      const expected = owners.map(() => [] as Buffer[]);
      // Sockets read into one buffer again and again.
      const shared = Buffer.alloc(600 * KIB);
      for (const [index, { owner, length, rest }] of pieces.entries()) {
        shared.fill(index + 1);
        coalescer.add(owners[owner]!, shared.subarray(0, length));
        expected[owner]!.push(Buffer.alloc(length, index + 1));
        if (rest) await turn();
      }
      await turn();
      for (const [index, owner] of owners.entries())
        expect(owner.all).toBe(Buffer.concat(expected[index]!).toString('hex'));
    }),
    { numRuns: 60 },
  );
});

test('pieces of one turn are one write, which waits no longer than that', async () => {
  const coalescer = new WriteCoalescer();
  const owner = new Owner();
  for (let count = 0; count < 20; count += 1) coalescer.add(owner, Buffer.alloc(16 * KIB, count));
  expect(owner.puts).toHaveLength(0);
  await turn();
  expect(owner.puts.map((put) => put.length)).toEqual([320 * KIB]);
  await turn();
  expect(owner.puts).toHaveLength(1);
});

test('only its owner has a piece written early', () => {
  const coalescer = new WriteCoalescer();
  const [one, other] = [new Owner(), new Owner()];
  coalescer.add(one, Buffer.from('1'));
  coalescer.flush(other);
  expect(one.puts).toHaveLength(0);
  coalescer.flush(one);
  expect(one.all).toBe('31');
  coalescer.flush(one);
  expect(one.puts).toHaveLength(1);
});
