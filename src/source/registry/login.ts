import { FetchError } from '../../model/error.ts';
import { isRecord } from '../../model/json.ts';

/** A user and password for a registry. */
export interface RegistryLogin {
  /** Host and port of its registry; undefined for any registry. */
  readonly host: string | undefined;
  /** User name at the registry. */
  readonly user: string;
  /** Secret: keep it out of messages, logs and files. */
  readonly password: string;
  /** Option or file that contains it, for messages. */
  readonly origin: string;
}

/**
 * Parses `USER:PASSWORD`, split at the first colon. Throws USAGE for a text without a colon: tokens of the Hub are
 * never sent to a registry.
 */
export function parseLogin(text: string, origin: string): RegistryLogin {
  const colon = text.indexOf(':');
  if (colon > 0 && colon < text.length - 1)
    return { host: undefined, user: text.slice(0, colon), password: text.slice(colon + 1), origin };
  throw new FetchError('USAGE', `${origin} is not a login of a registry.`, {
    hint: 'Write it as USER:PASSWORD. A token of the Hugging Face Hub is sent to no registry.',
  });
}

/** The login for a registry: one that is for any, else the one of its host. */
export function loginFor(logins: readonly RegistryLogin[], host: string): RegistryLogin | undefined {
  return logins.find((one) => one.host === undefined) ?? logins.find((one) => one.host === host);
}

/** A refusal (401, 403, …). `login` is where the login came from that was refused; undefined if there is none. */
export function accessError(message: string, login: string | undefined, status: number): FetchError {
  return new FetchError('ACCESS', message, {
    status,
    hint:
      login === undefined
        ? 'The model does not exist, or it is private: then say --token USER:PASSWORD, or log in with docker login (fetch runs no credential helper).'
        : 'Check the user and the password, and that this user may pull the model.',
  });
}

/** Names that Docker's configuration uses for Docker Hub. */
const DOCKER_HUB: ReadonlySet<string> = new Set(['index.docker.io', 'docker.io', 'registry-1.docker.io']);

/**
 * The logins in the `auths` of Docker's `config.json`; credential helpers are not run. An unreadable file has none.
 * `origin` is its path.
 */
export function dockerLogins(text: string | undefined, origin: string): RegistryLogin[] {
  const auths = parsed(text);
  return Object.entries(auths).flatMap(([address, entry]) => {
    if (!isRecord(entry)) return [];
    const written = address.replace(/^https?:\/\//i, '').split('/', 1)[0]!;
    if (!URL.canParse(`https://${written}`)) return [];
    // In lower case, and without the port that is usual.
    const { host } = new URL(`https://${written}`);
    const { auth, username, password } = entry;
    const both =
      typeof auth === 'string' && auth !== '' ? decoded(auth) : `${username ?? ''}:${password ?? ''}`;
    const colon = both.indexOf(':');
    if (colon <= 0 || colon === both.length - 1) return [];
    const [user, secret] = [both.slice(0, colon), both.slice(colon + 1)];
    return [{ host: DOCKER_HUB.has(host) ? 'registry-1.docker.io' : host, user, password: secret, origin }];
  });
}

function parsed(text: string | undefined): Readonly<Record<string, unknown>> {
  try {
    const document: unknown = JSON.parse(text ?? '{}');
    const auths = isRecord(document) ? document['auths'] : undefined;
    return isRecord(auths) ? auths : {};
  } catch {
    return {};
  }
}

function decoded(auth: string): string {
  // Old clients pad with NUL.
  return Buffer.from(auth, 'base64').toString('utf8').replace(/\0+$/, '');
}
