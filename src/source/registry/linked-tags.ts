import { Parser } from 'htmlparser2';
import { isTag } from './name.ts';

const MAX_TAGS = 100_000;

/** The tags that a page links to, without duplicates. */
export function linkedTags(html: string, address: string, repository: string): string[] {
  const { origin } = new URL(address);
  const prefix = `/${repository}:`.toLowerCase();
  const tags = new Set<string>();
  const handler = {
    onopentag: (name: string, { href }: Readonly<Record<string, string>>) => {
      if (name !== 'a' || href === undefined || tags.size >= MAX_TAGS || !URL.canParse(href, address)) return;
      const url = new URL(href, address);
      const path = decoded(url.pathname);
      if (url.origin !== origin || !path.toLowerCase().startsWith(prefix)) return;
      const tag = path.slice(prefix.length);
      if (isTag(tag)) tags.add(tag);
    },
  };
  // The bundle omits the decoder of entities (scripts/bundle.js): tags contain no entities.
  new Parser(handler, { decodeEntities: false }).end(html);
  return [...tags];
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
