import { type Credential, opens } from '../access.ts';
import type { Catalog } from '../repositories/catalog.ts';
import type { Repository } from '../repositories/repository.ts';
import type { RequestKind } from '../wire/exchange.ts';
import { type Reply, textReply } from '../wire/reply.ts';
import type { Route } from '../wire/route.ts';
import { whoamiReply, xetTokenReply } from './account.ts';
import type { Asked, AskedAt } from './context.ts';
import {
  disabled,
  entryMissing,
  gated,
  invalidToken,
  noSuchPage,
  repositoryMissing,
  revisionMissing,
  type Voice,
} from './hub-error.ts';
import { infoReply } from './info.ts';
import { pathsInfoReply } from './paths-info.ts';
import { refsReply } from './refs.ts';
import { rawReply, resolveCacheReply, resolveReply } from './resolve.ts';
import { treeReply } from './tree.ts';

/** Everything of a request but the repository, which is found here. */
export type Request = Omit<Asked, 'repository' | 'route'> & { readonly route: Route | undefined };

const OF_REVISIONS: Partial<Record<RequestKind, (asked: AskedAt) => Reply | Promise<Reply>>> = {
  info: infoReply,
  revision: infoReply,
  tree: treeReply,
  'paths-info': pathsInfoReply,
  'xet-read-token': xetTokenReply,
  resolve: resolveReply,
  'resolve-cache': resolveCacheReply,
  raw: rawReply,
};

/** Contents are guarded more than descriptions: a gated repository lists its files to all (protocol 1.2). */
const CONTENTS: readonly RequestKind[] = ['resolve', 'resolve-cache', 'raw', 'xet-read-token'];

export async function hubReply(request: Request, catalog: Catalog): Promise<Reply> {
  const { route, credential, settings, exchange } = request;
  if (route === undefined) return noSuchPage();
  if (route.kind === 'whoami') return whoamiReply(credential);
  const voice: Voice = ['resolve', 'resolve-cache', 'raw'].includes(route.kind) ? 'text' : 'json';
  if (exchange.request.method === 'POST' && route.kind !== 'paths-info') return noSuchPage();

  const found = catalog.find(route.type, route.id);
  if (credential.state === 'invalid' && settings.invalidTokenOnPublic === 'refuse') {
    // A gated file says the same with a bad token as with none (field facts 3.8).
    const guarded = found !== undefined && 'repository' in found && isGated(route.kind, found.repository);
    if (!guarded || found.repository.private) return invalidToken(voice);
  }
  if (found === undefined) return repositoryMissing(voice, credential);
  const repository = 'repository' in found ? found.repository : found.renamedTo;
  if (repository.private && !opens(credential, repository)) return repositoryMissing(voice, credential);
  if ('renamedTo' in found) return renamed(route.targetFor(repository.id));

  const refused = guard(route.kind, { ...request, route, repository }, credential, voice);
  if (refused !== undefined) return refused;
  if (route.kind === 'refs') return refsReply({ ...request, route, repository });

  const commit = repository.findCommit(route.kind === 'info' ? 'main' : route.revision);
  if (commit === undefined) return revisionMissing(voice, route.revision);
  // A commit of the cache path must be one: only the hub makes such paths.
  if (route.kind === 'resolve-cache' && commit.id !== route.revision) return entryMissing(voice, commit);
  const answer = OF_REVISIONS[route.kind];
  return answer === undefined ? noSuchPage() : answer({ ...request, route, repository, commit });
}

function guard(kind: RequestKind, asked: Asked, credential: Credential, voice: Voice): Reply | undefined {
  const { repository, hubOrigin } = asked;
  if (repository.disabled && kind !== 'info' && kind !== 'revision') return disabled(voice);
  if (isGated(kind, repository) && !opens(credential, repository)) {
    return gated(repository, credential, hubOrigin);
  }
  return undefined;
}

function isGated(kind: RequestKind, repository: Repository): boolean {
  return repository.gated !== false && CONTENTS.includes(kind);
}

/** Relative, without any metadata (protocol 2.4). */
function renamed(target: string): Reply {
  return textReply(307, `Temporary Redirect. Redirecting to ${target}`, { Location: target });
}
