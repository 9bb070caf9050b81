import { createHash, createHmac } from 'node:crypto';

/** Of the key that the real Hub signs with by the end of 2026. */
export const KEY_PAIR = '01KXEF4KZ1B6FV465MAWR4M21F';

/** What one signed address allows. */
export interface Grant {
  readonly origin: string;
  readonly path: string;
  readonly disposition: string;
  /** Who resolved the file: an id of a user, or `public`. */
  readonly user: string;
  /** Network address of who resolved the file; the address carries a hash of it. */
  readonly client: string;
  /** Unix seconds. */
  readonly expires: number;
  /** The one `Range` header that the address is good for; undefined: every range, and none. */
  readonly range: string | undefined;
}

/** An address of any kind: what is signed is its whole query, in the order in which it is written. */
export interface AddressGrant {
  readonly origin: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly expires: number;
  readonly range: string | undefined;
}

export interface Policy {
  readonly resource: string;
  readonly expires: number;
  readonly range: string | undefined;
}

/** Why the edge refuses a query, or what the query was signed for. */
export type Verdict =
  | {
      readonly refused:
        | 'signature does not match'
        | 'invalid key pair id'
        | 'resource does not match the policy';
    }
  | { readonly policy: Policy; readonly xip: string };

/** The names behind the signed part, in this order and nothing after them. */
const TAIL = ['Expires', 'Policy', 'Signature', 'Key-Pair-Id', 'Hash-Algorithm'];

/** Signs and checks addresses in the form that the CDN of the Hub had in October 2026 (field facts 1 and 8). */
export class Signer {
  readonly #secret: string = createHash('sha256').update(String(Math.random())).digest('hex');

  /** Path and query; the order of the query is a part of what is signed. */
  sign(grant: Grant, keyPair: string = KEY_PAIR): string {
    const { origin, path, expires, range } = grant;
    const parameters = {
      'response-content-disposition': grant.disposition,
      xip: this.xip(grant.client),
      user_id: grant.user,
      'X-Xet-Cas-Uid': grant.user,
    };
    return this.signAddress({ origin, path, query: parameters, expires, range }, keyPair);
  }

  signAddress(grant: AddressGrant, keyPair: string = KEY_PAIR): string {
    const signed = query(grant.query);
    const byteRange = grant.range === undefined ? {} : { ByteRange: { ExpectedHeader: grant.range } };
    const condition = { DateLessThan: { EpochTime: grant.expires }, ...byteRange };
    // CloudFront reads `?` as a wildcard unless it is quoted.
    const resource = `${grant.origin}${grant.path}\\?${signed}`;
    const policy = packed(JSON.stringify({ Statement: [{ Resource: resource, Condition: condition }] }));
    const tail = query({
      Expires: String(grant.expires),
      Policy: policy,
      Signature: this.#signature(policy),
      'Key-Pair-Id': keyPair,
      'Hash-Algorithm': 'SHA256',
    });
    return `${grant.path}?${signed}&${tail}`;
  }

  /** `target` is path and query as they came, `host` what the request names. */
  check(target: string, host: string): Verdict {
    const mark = target.indexOf('?');
    const pairs = target
      .slice(mark + 1)
      .split('&')
      .map((pair) => pair.split(/=(.*)/s, 2));
    const tail = pairs.slice(-TAIL.length);
    if (mark < 0 || tail.map(([name]) => name).join() !== TAIL.join())
      return { refused: 'signature does not match' };
    const [expires, written, signature, keyPair, algorithm] = tail.map(([, value]) => decoded(value ?? ''));
    if (keyPair !== KEY_PAIR) return { refused: 'invalid key pair id' };
    if (algorithm !== 'SHA256' || signature !== this.#signature(written ?? ''))
      return { refused: 'signature does not match' };
    const policy = unpacked(written ?? '');
    const signed = target
      .slice(mark + 1)
      .split('&')
      .slice(0, -TAIL.length)
      .join('&');
    const asked = `http://${host.toLowerCase()}${target.slice(0, mark)}?${signed}`;
    const resource = policy.resource.replace('\\?', '?').replace(/^https:/, 'http:');
    if (normalised(asked) !== normalised(resource) || expires !== String(policy.expires))
      return { refused: 'resource does not match the policy' };
    return { policy, xip: new URL(asked).searchParams.get('xip') ?? '' };
  }

  /** Eleven characters, as recorded; an IPv4 address is the same one in either notation. */
  xip(client: string): string {
    const address = client.replace(/^::ffff:/, '');
    return createHmac('sha256', this.#secret).update(address).digest('base64url').slice(0, 11);
  }

  #signature(policy: string): string {
    return cloudFront(createHmac('sha512', this.#secret).update(policy).digest('base64'));
  }
}

/** As the Hub writes it: a space is `+`, and `*` and `~` are encoded. */
function query(parameters: Readonly<Record<string, string>>): string {
  return new URLSearchParams(parameters).toString().replaceAll('*', '%2A');
}

/**
 * The edge compares what characters mean, not how they are encoded: `~` is `%7E`. Order and set of the parameters
 * count, and a space stays another thing than a plus.
 */
function normalised(address: string): string {
  return address
    .split(/([/?&=+:])/)
    .map((piece, index) => (index % 2 === 1 ? piece : encodeURIComponent(decoded(piece))))
    .join('');
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function cloudFront(base64: string): string {
  return base64.replaceAll('+', '-').replaceAll('=', '_').replaceAll('/', '~');
}

function packed(policy: string): string {
  return cloudFront(Buffer.from(policy).toString('base64'));
}

/** Of a policy whose signature is right. */
function unpacked(written: string): Policy {
  const base64 = written.replaceAll('-', '+').replaceAll('_', '=').replaceAll('~', '/');
  const { Statement } = JSON.parse(Buffer.from(base64, 'base64').toString('utf8'));
  const [{ Resource, Condition }] = Statement;
  return {
    resource: Resource,
    expires: Condition.DateLessThan.EpochTime,
    range: Condition.ByteRange?.ExpectedHeader,
  };
}
