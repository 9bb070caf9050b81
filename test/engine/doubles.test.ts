import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Bytes, Content } from '../support/engine/content.ts';
import { World } from '../support/engine/world.ts';
import { MIB } from '../support/store-kit.ts';

/** The suite is worth as much as what it stands on. */
test('a content is what an array of its bytes would be', () => {
  const write = fc.record({
    start: fc.nat(20),
    length: fc.nat(20),
    bytes: fc.constantFrom<Bytes>('right', 'hole', 'wrong a'),
  });
  fc.assert(
    fc.property(fc.array(write), (writes) => {
      const content = new Content('x', 40);
      const array = Array.from({ length: 40 }, (): Bytes | undefined => undefined);
      for (const { start, length, bytes } of writes) {
        content.write({ start, end: start + length }, bytes);
        array.fill(bytes, start, start + length);
      }
      const read = Array.from(
        { length: 40 },
        (_, start) => content.read({ start, end: start + 1 })[0]?.bytes,
      );
      expect(read).toEqual(array);
      expect(content.isRight).toBe(array.every((bytes) => bytes === 'right'));
    }),
  );
});

test('a content has the digest of the revision only if every byte is right', () => {
  const { sha256 } = Content.right('x', 10).digests();
  const content = new Content('x', 10);
  content.write({ start: 5, end: 10 }, 'right');
  content.write({ start: 0, end: 6 }, 'right');
  expect(content.digests().sha256).toBe(sha256);
  content.write({ start: 9, end: 10 }, 'hole');
  expect(content.digests().sha256).not.toBe(sha256);
});

test('the same seed makes the same run', async () => {
  const outcome = async (seed: number) => {
    const world = new World({ seed, files: { a: 30 * MIB, b: 100 }, faults: [{ kind: 'break', at: 5 }] });
    const run = await world.run();
    return [run.ms, run.transport.writes];
  };
  expect(await outcome(7)).toEqual(await outcome(7));
  expect(await outcome(7)).not.toEqual(await outcome(8));
});
