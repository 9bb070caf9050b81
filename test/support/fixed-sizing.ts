import type { SegmentSizing } from '../../src/transfer/scheduling/link-estimate.ts';

const MIB = 1024 * 1024;

/** Requests of one size, whatever the link; less when less than that is left for each connection, but no less than `minBytes`. */
export function fixedSizing(bytes: number, minBytes: number = 4 * MIB): SegmentSizing {
  let waitMs = 0;
  return {
    get waitMs() {
      return waitMs;
    },
    rate: 0,
    segmentBytes: (left, connections) => Math.min(bytes, Math.max(minBytes, left / connections)),
    firstByte: (measured) => {
      waitMs = waitMs === 0 ? measured : 0.8 * waitMs + 0.2 * measured;
    },
    taken: () => {},
    measured: () => {},
  };
}
