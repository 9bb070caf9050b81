import type { Credential } from '../access.ts';
import { jsonReply, type Reply } from '../wire/reply.ts';
import { type AskedAt, casUrl } from './context.ts';
import { noSuchPage, notLoggedIn } from './hub-error.ts';

/** `GET /api/whoami-v2` (protocol 1.6). */
export function whoamiReply(credential: Credential): Reply {
  if (credential.state !== 'valid') return notLoggedIn('json');
  const { user } = credential.token;
  return jsonReply(200, {
    type: 'user',
    id: '5dd96eb166059660ed1ee413',
    name: user,
    fullname: user,
    email: `${user}@example.org`,
    emailVerified: true,
    canPay: false,
    isPro: false,
    periodEnd: null,
    avatarUrl: '/avatars/none.svg',
    orgs: [],
    auth: {
      type: 'access_token',
      accessToken: { displayName: 'test', role: 'read', createdAt: '2026-01-01T00:00:00.000Z' },
    },
  });
}

/** `GET /api/TYPEs/REPO/xet-read-token/REVISION` (protocol 1.7). Without a content store there is no token. */
export function xetTokenReply(asked: AskedAt): Reply {
  const { contentStore, repository, commit } = asked;
  if (contentStore === undefined) return noSuchPage();
  const url = casUrl(asked);
  const { accessToken, expires } = contentStore.readToken(repository.id, commit.id);
  return jsonReply(
    200,
    { casUrl: url, exp: expires, accessToken },
    {
      'X-Xet-Cas-Url': url,
      'X-Xet-Access-Token': accessToken,
      'X-Xet-Token-Expiration': String(expires),
    },
  );
}
