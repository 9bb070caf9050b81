/** A `Bearer` or `Basic` challenge of `WWW-Authenticate` (RFC 9110 11.6.1). */
export interface Challenge {
  readonly scheme: 'bearer' | 'basic';
  readonly parameters: ReadonlyMap<string, string>;
}

const MAX_HEADER = 8192;

/** The first supported challenge, Bearer before Basic; undefined if there is none. */
export function parseChallenge(header: string | string[] | undefined): Challenge | undefined {
  const text = [header ?? []].flat().join(', ').slice(0, MAX_HEADER);
  const found: Challenge[] = [];
  // A scheme is followed by a parameter or nothing; a parameter by "=".
  const starts = [...text.matchAll(/(?:^|,)\s*(bearer|basic)(?=\s|,|$)/gi)];
  for (const [index, start] of starts.entries()) {
    const from = start.index + start[0].length;
    const parameters = new Map<string, string>();
    for (const [, name, quoted, plain] of text
      .slice(from, starts[index + 1]?.index)
      .matchAll(/([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g)) {
      const key = name!.toLowerCase();
      if (!parameters.has(key)) parameters.set(key, quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '');
    }
    found.push({ scheme: start[1]!.toLowerCase() as Challenge['scheme'], parameters });
  }
  return found.find(({ scheme }) => scheme === 'bearer') ?? found[0];
}
