import { BLOCKING, type ErrorResponse, isPage, mayPass } from '../../http/refusal.ts';
import { serverDelay } from '../../http/retry-after.ts';
import { FetchError } from '../../model/error.ts';
import type { RepoRef } from '../../model/repo.ts';
import { repoPath } from '../../model/repo.ts';
import type { Credential } from '../source.ts';
import { pageUrl } from './endpoints.ts';

/** What a request was about, for the text of its error. */
export interface RequestSubject {
  /** In a few words, for lines about retries: `the listing`. */
  readonly what: string;
  readonly endpoint: string;
  readonly repo: RepoRef;
  readonly revision?: string | undefined;
  readonly path?: string | undefined;
  readonly token: Credential | undefined;
}

/** Headers that only hubs send. */
const OF_A_HUB = [
  'x-error-code',
  'x-error-message',
  'x-request-id',
  'x-repo-commit',
  'ratelimit',
  'ratelimit-policy',
];
/** The error for a refusal: by the Hub's X-Error-Code if there is one, else by status. */
export function hubError(subject: RequestSubject, response: ErrorResponse, nowMs: number): FetchError {
  const { status } = response;
  const name = repoPath(subject.repo);
  const said = withoutToken(serverMessage(response), subject.token);
  const options = { status };
  switch (header(response, 'x-error-code')) {
    case 'RevisionNotFound':
      return new FetchError('NOT_FOUND', `${name} has no revision "${subject.revision ?? ''}"`, {
        ...options,
        hint: `See the branches at ${pageUrl(subject.endpoint, subject.repo)}/tree/main.`,
      });
    case 'EntryNotFound':
      return fileMissing(subject, subject.path ?? '', status);
    case 'GatedRepo':
      return gated(subject, status);
    case 'RepoNotFound':
      return missing(subject, status);
  }
  if (isBlockPage(response)) return blocked(subject, status);
  if (status === 401) return unauthorized(subject, said);
  if (status === 403 && said.startsWith('Access to this resource is disabled')) {
    return new FetchError('ACCESS', `${name} is disabled: the hub does not serve it any more`, {
      ...options,
      hint: `See ${pageUrl(subject.endpoint, subject.repo)} for the reason, or look for a copy by another owner.`,
    });
  }
  if (status === 403) {
    return new FetchError('ACCESS', `access to ${name} was refused${said === '' ? '' : `: ${said}`}`, {
      ...options,
      hint: tokenHint(subject, 'See in the settings of your account whether it covers this repository.'),
    });
  }
  if (status === 404 || status === 410) {
    // Mirrors send no code. With a path the repository exists: it was resolved before.
    return subject.path === undefined ? missing(subject, status) : fileMissing(subject, subject.path, status);
  }
  if (status === 429) {
    return new FetchError('NETWORK', `the hub limits requests (429)${said === '' ? '' : `: ${said}`}`, {
      ...options,
      retryable: true,
      retryAfterMs: serverDelay(response.headers, nowMs),
      hint:
        subject.token === undefined
          ? 'Requests with a token have a larger quota: set HF_TOKEN or use --token.'
          : 'Wait some minutes, or ask for fewer repositories at once.',
    });
  }
  return new FetchError(
    'NETWORK',
    `the hub answered ${status}${subject.path === undefined ? '' : ` for ${subject.path}`}${said === '' ? '' : `: ${said}`}`,
    {
      ...options,
      retryable: mayPass(status),
      retryAfterMs: status >= 500 ? serverDelay(response.headers, nowMs) : undefined,
      hint: `Try again later, or check that ${subject.endpoint} is a Hugging Face Hub.`,
    },
  );
}

function fileMissing(subject: RequestSubject, path: string, status: number): FetchError {
  const tree = `${pageUrl(subject.endpoint, subject.repo)}/tree/${encodeURIComponent(subject.revision ?? 'main')}`;
  return new FetchError('NOT_FOUND', `${repoPath(subject.repo)} has no file "${path}" in this revision`, {
    status,
    hint: `See its files at ${tree}.`,
  });
}

function missing(subject: RequestSubject, status: number): FetchError {
  const withToken =
    subject.token === undefined
      ? ''
      : ` for the token from ${subject.token.origin}: private repositories look missing too`;
  return new FetchError(
    'NOT_FOUND',
    `the ${subject.repo.type} ${subject.repo.id} was not found${withToken}`,
    {
      status,
      hint: `Check the name at ${pageUrl(subject.endpoint, subject.repo)}. Datasets and spaces need --repo-type.`,
    },
  );
}

function gated(subject: RequestSubject, status: number): FetchError {
  const page = pageUrl(subject.endpoint, subject.repo);
  const name = repoPath(subject.repo);
  const { token } = subject;
  if (token === undefined) {
    return new FetchError('ACCESS', `${name} is gated: its terms must be accepted first`, {
      status,
      hint: `Accept the terms at ${page}, then set HF_TOKEN or use --token.`,
    });
  }
  // For an unknown token the Hub answers as for none (field facts 3.8); 403 means that it knows the token.
  if (status === 401) {
    return new FetchError('ACCESS', `${name} is gated, and the token from ${token.origin} is not accepted`, {
      status,
      hint: `Check the token first: it may be mistyped, expired or revoked. Its owner must also have accepted the terms at ${page}.`,
    });
  }
  return new FetchError('ACCESS', `${name} is gated: its terms must be accepted first`, {
    status,
    hint: `Accept the terms at ${page} as the owner of the token from ${token.origin}.`,
  });
}

/** Whether a refusal is a page of HTML that is not from a hub: of a filter, a firewall or a login page. */
function isBlockPage(response: ErrorResponse): boolean {
  const page = isPage(response.body) || /\bhtml\b/i.test(header(response, 'content-type') ?? '');
  return (
    BLOCKING.has(response.status) && page && OF_A_HUB.every((name) => header(response, name) === undefined)
  );
}

function blocked({ endpoint }: RequestSubject, status: number): FetchError {
  const { host } = new URL(endpoint);
  return new FetchError(
    'NETWORK',
    `${host} answered ${status} with a page, not as a hub does: a filter may block it`,
    {
      status,
      hint: `Open ${endpoint} in a browser to see who sends the page, try another network, or check the endpoint.`,
    },
  );
}

/** A 401 without a code: the Hub's answer for missing and for private repositories alike. */
function unauthorized(subject: RequestSubject, said: string): FetchError {
  const name = repoPath(subject.repo);
  if (subject.token === undefined) {
    return new FetchError(
      'ACCESS',
      `${name} does not exist, or it is private: without a token the hub does not say`,
      {
        status: 401,
        hint: 'Check the spelling. If you may see it, set HF_TOKEN or use --token.',
      },
    );
  }
  const invalid = said.includes('Invalid credentials');
  return new FetchError(
    'ACCESS',
    `${invalid ? 'the token is invalid or has expired' : `the token gives no access to ${name}`} (from ${subject.token.origin})`,
    {
      status: 401,
      hint: 'Make a new one in the settings of your account, or remove it: public repositories need none.',
    },
  );
}

function tokenHint(subject: RequestSubject, more: string): string {
  return subject.token === undefined
    ? 'Set HF_TOKEN or use --token.'
    : `The token came from ${subject.token.origin}. ${more}`;
}

/** The hub's own text: X-Error-Message, the `error` of a JSON body, or a short text body. */
function serverMessage(response: ErrorResponse): string {
  const fromHeader = header(response, 'x-error-message');
  if (fromHeader !== undefined) return fromHeader.slice(0, 300);
  const body = response.body.trim();
  try {
    const parsed: unknown = JSON.parse(body);
    const error =
      parsed !== null && typeof parsed === 'object' ? (parsed as { error?: unknown }).error : undefined;
    if (typeof error === 'string') return error.slice(0, 300);
    if (Array.isArray(error)) return error.join('; ').slice(0, 300);
    return '';
  } catch {
    // Not JSON: show a line of text, but no page of HTML.
    return body.startsWith('<') || body.length > 300 ? '' : body;
  }
}

/** A server may repeat the token that it was sent. */
function withoutToken(text: string, token: Credential | undefined): string {
  return token === undefined ? text : text.replaceAll(token.value, '(token)');
}

function header(response: ErrorResponse, name: string): string | undefined {
  const value = response.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
