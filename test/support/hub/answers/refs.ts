import type { NamedCommit } from '../repositories/repository.ts';
import { jsonReply, type Reply } from '../wire/reply.ts';
import type { Asked } from './context.ts';

/** `GET /api/TYPEs/REPO/refs`: the lists are always there, pull requests only when asked for (protocol 1.1). */
export function refsReply({ repository, route }: Asked): Reply {
  const withPullRequests = ['1', 'true', 'True'].includes(route.query.get('include_prs') ?? '');
  return jsonReply(200, {
    tags: repository.refs('refs/tags/').map(shown),
    branches: repository.refs('refs/heads/').map(shown),
    converts: repository.refs('refs/convert/').map(shown),
    ...(withPullRequests ? { pullRequests: repository.refs('refs/pr/').map(shown) } : {}),
  });
}

function shown({ name, ref, commit }: NamedCommit): { name: string; ref: string; targetCommit: string } {
  return { name, ref, targetCommit: commit.id };
}
