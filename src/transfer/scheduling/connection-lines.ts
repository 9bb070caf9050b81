import type { ConnectionState } from './segment.ts';

/** What every connection is at, one line each, for people who wonder why nothing moves. */
export function connectionLines(
  connections: readonly ConnectionState[],
  pathOf: (file: number) => string,
): string[] {
  return connections.map(({ file, position, end, rate, silentMs }) => {
    const speed = `${Math.round(rate)} bytes/s, last byte ${Math.round(silentMs)} ms ago`;
    return `${pathOf(file)} at ${position} of ${end}: ${speed}`;
  });
}
