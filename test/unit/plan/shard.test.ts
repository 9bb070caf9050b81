import fc from 'fast-check';
import { expect, test } from 'vitest';
import { shardOf } from '../../../src/plan/shard.ts';

const listing = fc
  .uniqueArray(fc.tuple(fc.string({ minLength: 1, maxLength: 8 }), fc.integer({ min: 0, max: 10_000 })), {
    selector: ([path]) => path,
    maxLength: 40,
  })
  .map((entries) => entries.map(([path, size]) => ({ path, size, digest: undefined })));

test('the parts together are the whole, and no file is in two of them; the order of the listing does not matter', () => {
  fc.assert(
    fc.property(listing, fc.integer({ min: 1, max: 9 }), (files, count) => {
      const parts = Array.from({ length: count }, (_, index) => shardOf(files, { index: index + 1, count }));
      expect(
        parts
          .flat()
          .map((file) => file.path)
          .sort(),
      ).toEqual(files.map((file) => file.path).sort());
      const reversed = shardOf(files.toReversed(), { index: 1, count });
      expect(reversed.toReversed()).toEqual(parts[0]);
    }),
  );
});

test('the parts differ by no more than the largest file', () => {
  fc.assert(
    fc.property(listing, fc.integer({ min: 1, max: 9 }), (files, count) => {
      const sizes = Array.from({ length: count }, (_, index) =>
        shardOf(files, { index: index + 1, count }).reduce((sum, file) => sum + file.size + 1, 0),
      );
      const largest = Math.max(0, ...files.map((file) => file.size + 1));
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(largest);
    }),
  );
});
