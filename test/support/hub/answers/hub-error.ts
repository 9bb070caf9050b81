import type { Credential } from '../access.ts';
import { sha1Text } from '../content/digest.ts';
import type { Commit } from '../repositories/commit.ts';
import type { Repository } from '../repositories/repository.ts';
import { jsonReply, type Reply, textReply } from '../wire/reply.ts';

/** The errors of protocol section 3.1. The API speaks JSON, file URLs plain text. */
export type Voice = 'json' | 'text';

function refuse(
  voice: Voice,
  status: number,
  message: string,
  code?: string,
  headers: Record<string, string> = {},
): Reply {
  const told: Record<string, string> = { 'X-Error-Message': message, ...headers };
  if (code !== undefined) told['X-Error-Code'] = code;
  return voice === 'json' ? jsonReply(status, { error: message }, told) : textReply(status, message, told);
}

const CHALLENGE = { 'WWW-Authenticate': 'Bearer realm="Authentication required", charset="UTF-8"' };

export function notLoggedIn(voice: Voice): Reply {
  return refuse(voice, 401, 'Invalid username or password.', undefined, CHALLENGE);
}

export function invalidToken(voice: Voice): Reply {
  return refuse(voice, 401, 'Invalid credentials in Authorization header', undefined, CHALLENGE);
}

/** Whether it is missing or private is never said; who is asking decides the form. */
export function repositoryMissing(voice: Voice, credential: Credential): Reply {
  if (credential.state !== 'valid') return notLoggedIn(voice);
  return refuse(voice, 404, 'Repository not found', 'RepoNotFound');
}

export function revisionMissing(voice: Voice, revision: string): Reply {
  return refuse(voice, 404, `Invalid rev id: ${printable(revision)}`, 'RevisionNotFound');
}

export function entryMissing(voice: Voice, commit: Commit): Reply {
  const body = 'Entry not found';
  return refuse(voice, 404, body, 'EntryNotFound', {
    'X-Repo-Commit': commit.id,
    'Accept-Ranges': 'bytes',
    ETag: `W/"f-${sha1Text(body).slice(0, 27)}"`,
  });
}

export function gated(repository: Repository, credential: Credential, siteOrigin: string): Reply {
  const start = `Access to ${repository.type} ${repository.id} is restricted`;
  if (credential.state !== 'valid') {
    const message = `${start}. You must have access to it and be authenticated to access it. Please log in.`;
    return refuse('text', 401, message, 'GatedRepo', CHALLENGE);
  }
  const message = `${start} and you are not in the authorized list. Visit ${siteOrigin}/${repository.id} to ask for access.`;
  return refuse('text', 403, message, 'GatedRepo');
}

export function disabled(voice: Voice): Reply {
  return refuse(voice, 403, 'Access to this resource is disabled.');
}

export function badRequest(message: string): Reply {
  return jsonReply(400, { error: message });
}

export function overQuota(quota: number): Reply {
  const message =
    `We had to rate limit you, you hit the quota of ${quota} api requests per 5 minutes period. ` +
    'See https://huggingface.co/docs/hub/rate-limits';
  return textReply(429, message);
}

export function noSuchPage(): Reply {
  return textReply(404, 'Not Found');
}

/** A header cannot hold every character that a URL can. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?');
}
