/** A name that no other run has, by which machines that fetch the same revision tell each other apart: 16 hex digits. */
export function nodeName(random: () => number): string {
  const half = () =>
    Math.floor(random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
  return `${half()}${half()}`;
}

/** Whether a text from a file or a peer can be the name of a run. */
export function isNode(text: unknown): text is string {
  return typeof text === 'string' && /^[0-9a-f]{16}$/.test(text);
}
