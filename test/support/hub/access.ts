import type { IncomingMessage } from 'node:http';
import { sha1Text } from './content/digest.ts';
import type { Repository } from './repositories/repository.ts';

/** A token that this hub knows. */
export interface Token {
  readonly token: string;
  readonly user: string;
  /** Private and gated repositories that it opens. */
  readonly access: 'all' | readonly string[];
}

export type Credential =
  | { readonly state: 'none' }
  | { readonly state: 'invalid' }
  | { readonly state: 'valid'; readonly token: Token };

export function credentialOf(request: IncomingMessage, tokens: readonly Token[]): Credential {
  const value = request.headers.authorization;
  if (value === undefined) return { state: 'none' };
  const token = tokens.find((known) => value === `Bearer ${known.token}`);
  return token === undefined ? { state: 'invalid' } : { state: 'valid', token };
}

export function opens(credential: Credential, repository: Repository): boolean {
  if (credential.state !== 'valid') return false;
  const { access } = credential.token;
  return access === 'all' || access.includes(repository.id);
}

/** 24 characters, as the Hub numbers its users. */
export function userId(user: string): string {
  return sha1Text(`user ${user}`).slice(0, 24);
}
