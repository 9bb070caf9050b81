import { BLOCK_PAGE } from '../../support/hub/faults/pages.ts';
import { type Expectation, ends, none, type Row, same } from './cell.ts';
import { all, bytes, NEVER_RANGE, NO_CDN, only, row, rows, TWICE } from './cells.ts';

const NOTHING = { kind: 'delay', ms: 0 } as const;
const EARLIER = none('the run has ended by then');
const NOT_THIS = none('the request is none of those that are answered so');
/** Of every file: what a host does with ranges is learned from all of them. */
const RANGED = { only: { ranged: true, path: '*' } };

/** All that differs is where the bytes come from. */
function atCdn(expectation: Expectation): Row['cells'] {
  return only('range', expectation, NO_CDN);
}

/** Hubs, mirrors and gateways as people have measured them (hub-field-facts.md, field.md). */
const SERVERS = rows(
  'servers as measured in the field',
  row('an address is good for any range and any client', 'always', NOTHING, all(same(14)), {
    hub: { bindRanges: false, bindAddresses: false },
    quick: ['refs', 'range'],
  }),
  row(
    '416 for a Range at the hub, which is never to have one',
    'always',
    { kind: 'unsatisfiable' },
    only('locate', same(2), none('no redirect is what is answered')),
    { ...RANGED, mustNotMeet: true },
  ),
  row('a far CDN: 650 ms to the first byte, 150 when warm', 'always', NOTHING, atCdn(same(2)), {
    hub: { firstByteMs: { cold: 650, warm: 150 } },
  }),
  row('addresses that live for a second', 'always', NOTHING, atCdn(same(14)), {
    hub: { signedUrlSeconds: 1, bytesPerSecond: 1_000_000 },
  }),
  row(
    'every range with status 200 and a right Content-Range (ModelScope)',
    'always',
    { kind: 'part-as-200' },
    bytes(same(2), same(2)),
    RANGED,
  ),
  row(
    'every range without Content-Range (Artifactory)',
    'always',
    { kind: 'headers', drop: ['Content-Range'] },
    // Small files are requested side by side: each may meet it before the host is known for it.
    bytes(same(6), same(6)),
    RANGED,
  ),
  ...[405, 403, 501].map((status) =>
    row(
      `${status} for every HEAD`,
      'always',
      { kind: 'status', status },
      only('locate', same(4), none('the request is no HEAD')),
      { only: { method: 'HEAD' } },
    ),
  ),
  ...[400, 501].map((status) =>
    row(
      `${status} for every range, and the whole file without one`,
      'always',
      { kind: 'status', status },
      bytes(same(14), same(14)),
      RANGED,
    ),
  ),
  row(
    '416 for every range, and the whole file without one',
    'always',
    { kind: 'unsatisfiable' },
    bytes(same(14), same(14)),
    RANGED,
  ),
  ...[404, 400].map((status) =>
    row(
      `${status} for every listing, and sizes in the description`,
      'always',
      { kind: 'status', status },
      only('tree1', same(4), none('only listings are answered so, the first one of them')),
    ),
  ),
  row(
    'no listing and no names in the description',
    'always',
    { kind: 'status', status: 404 },
    only('tree1', ends(6, 4), none('only listings are answered so, the first one of them')),
    { hub: { siblings: 'none' }, says: /list/i },
  ),
  row('a mirror that sends big files on with a bare 308', 'always', NOTHING, all(same(14)), {
    mirrored: true,
    quick: ['refs', 'range'],
  }),
  row('below a path that redirects leave out', 'always', NOTHING, all(same(14)), {
    hub: { pathPrefix: '/hf' },
    quick: ['refs', 'range'],
  }),
);

const CROWDS = rows(
  'servers as measured in the field: many connections',
  row('more than two streams get 20 kB/s each', 'always', NOTHING, atCdn(same(40, 20)), {
    hub: { collapse: { above: 2, bytesPerSecond: 20_000 }, bytesPerSecond: 3_000_000 },
  }),
  row('one of two addresses sends no byte', 'always', { kind: 'truncate', at: 0 }, atCdn(same(40, 20)), {
    only: { address: '127.0.0.1' },
    hub: { cdnAddresses: ['127.0.0.1', '127.0.0.2'], cdnName: 'two.cdn.test' },
  }),
  row(
    'one of two addresses refuses connections',
    'always',
    { kind: 'vanish', ms: Number.POSITIVE_INFINITY },
    atCdn(same(40, 20)),
    {
      only: { address: '127.0.0.1', path: '*' },
      hub: { cdnAddresses: ['127.0.0.1', '127.0.0.2'], cdnName: 'two.cdn.test' },
    },
  ),
);

const WORDS = rows(
  'refusals as measured in the field',
  row(
    'a page of 52 kB with 429 and no word on when, twice',
    2,
    { kind: 'rate-limited', seconds: 0, tell: 'page' },
    all(TWICE),
  ),
  row(
    'Auth failed: invalid range, for every range',
    'always',
    { kind: 'auth-failed', why: 'invalid range' },
    atCdn(same(24)),
    RANGED,
  ),
  row(
    'Auth failed: another network address, once',
    1,
    { kind: 'auth-failed', why: 'invalid client address' },
    atCdn(same(14)),
  ),
  row(
    'a key that the CDN does not know, twice',
    2,
    { kind: 'auth-failed', why: 'SignatureError: invalid key pair id' },
    atCdn(same(14)),
  ),
  row(
    'a key that the CDN does not know, for ever',
    'always',
    { kind: 'auth-failed', why: 'SignatureError: invalid key pair id' },
    atCdn(ends(6, 50)),
    { says: /invalid key pair id.*later/s },
  ),
  row(
    'the block page of a filter, for ever',
    'always',
    BLOCK_PAGE,
    all(ends(6, 14), { small: ends(6, 50), ...NEVER_RANGE }),
    { says: /page|filter/i },
  ),
  row(
    'a token that is not accepted, on a public repository',
    'always',
    NOTHING,
    only('revision', ends(5, 2), EARLIER),
    { hub: { tokens: [] }, says: /token.*(invalid|expired|not accept)/is },
  ),
  row(
    'a token that is not accepted, on a gated file',
    'always',
    NOTHING,
    { ...bytes(EARLIER, EARLIER, NOT_THIS), locate: ends(5, 4) },
    {
      gated: true,
      hub: { tokens: [], invalidTokenOnPublic: 'ignore' },
      says: /does not accept|invalid|expired/i,
    },
  ),
);

export const FIELD_ROWS: readonly Row[] = [...SERVERS, ...CROWDS, ...WORDS];
