import type { LaneState } from './work.ts';

/** What every lane is at, one line each, for people who wonder why nothing moves. */
export function laneLines(lanes: readonly LaneState[], pathOf: (file: number) => string): string[] {
  return lanes.map(({ file, position, end, rate, silentMs }) => {
    const speed = `${Math.round(rate)} bytes/s, last byte ${Math.round(silentMs)} ms ago`;
    return `${pathOf(file)} at ${position} of ${end}: ${speed}`;
  });
}
