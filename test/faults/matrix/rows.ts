import { type Column, ends, none, type Row, same } from './cell.ts';
import {
  all,
  api,
  bytes,
  type Cells,
  LATER,
  NEVER,
  NEVER_RANGE,
  NO_BODY,
  NO_CDN,
  NO_JSON,
  NO_PAGES,
  only,
  row,
  rows,
  TWICE,
} from './cells.ts';
import { FIELD_ROWS } from './field-rows.ts';

/** A redirect of the bytes is followed in each try, and a new address is asked for after it. */
const NOWHERE = { small: ends(6, 30), range: ends(6, 70) };

/** Proved by the row beside it, and by what reads the value: retry-after.test.ts, refusal.test.ts, the contract of transports. */
const ALIKE: { readonly quick: readonly Column[] } = { quick: [] };

const CONTROL = rows(
  'control',
  row('nothing happens', 1, { kind: 'delay', ms: 0 }, all(same(14)), { quick: ['refs', 'range'] }),
);

const CONNECTIONS = rows(
  'connections',
  row(
    'connections are refused for ever',
    'always',
    { kind: 'vanish', ms: Number.POSITIVE_INFINITY },
    all(NEVER),
  ),
  row('the server is gone for 300 ms', 1, { kind: 'vanish', ms: 300 }, all(same(24)), {
    limits: { tries: 8, baseDelayMs: 60, maxDelayMs: 300 },
  }),
  row(
    'the name of the host is not known',
    'always',
    { kind: 'redirect', location: 'http://fetch-test.invalid/x' },
    all(NEVER, NOWHERE),
  ),
  row('reset before the head, twice', 2, { kind: 'reset', at: 'before-head' }, all(TWICE)),
  row(
    'reset before the head, for ever',
    'always',
    { kind: 'reset', at: 'before-head' },
    all(NEVER, NEVER_RANGE),
  ),
  row('reset after the head, twice', 2, { kind: 'reset', at: 0 }, all(TWICE, { locate: NO_BODY }), ALIKE),
  row('reset in the body, twice', 2, { kind: 'reset', at: 40 }, all(TWICE, { locate: NO_BODY })),
  row(
    'reset in the body, for ever',
    'always',
    { kind: 'reset', at: 40 },
    all(NEVER, {
      locate: NO_BODY,
      small: same(24),
      range: none('every byte counts as progress: see the next row'),
    }),
  ),
  row(
    'reset after every 500 kB',
    'always',
    { kind: 'reset', at: 500_000 },
    only('range', same(40), none('the answer is too small')),
  ),
  row('clean end in the body, twice', 2, { kind: 'truncate', at: 40 }, all(TWICE, { locate: NO_BODY })),
  row(
    'clean end of an empty body, for ever',
    'always',
    { kind: 'truncate', at: 0 },
    all(NEVER, { locate: NO_BODY, ...NEVER_RANGE }),
  ),
  row('a stall in the body, twice', 2, { kind: 'stall', at: 40 }, all(TWICE, { locate: NO_BODY })),
  row('silence before the head, twice', 2, { kind: 'stall', at: 'before-head' }, all(TWICE)),
  row(
    'silence before the head, for ever',
    'always',
    { kind: 'stall', at: 'before-head' },
    all(NEVER, NEVER_RANGE),
    { limits: { tries: 2 } },
  ),
  row(
    'a slow drip',
    'always',
    { kind: 'slow', bytesPerSecond: 3000 },
    all(same(14), { locate: NO_BODY, range: none('see the next rows') }),
  ),
  row(
    'slow connections',
    'always',
    { kind: 'slow', bytesPerSecond: 8_000_000 },
    only('range', same(14), none('the answer is too small')),
  ),
  row(
    'one straggler',
    1,
    { kind: 'slow', bytesPerSecond: 20_000 },
    only('range', same(14), none('there is only one such request at a time')),
  ),
  row('a slow start', 2, { kind: 'delay', ms: 250 }, all(same(14))),
  row(
    'every connection is closed after its answer, unannounced',
    'always',
    { kind: 'close-connection', announced: false },
    all(same(14)),
  ),
  row(
    'every connection is closed after its answer, announced',
    'always',
    { kind: 'close-connection' },
    all(same(14)),
    { quick: ['revision', 'small', 'range'] },
  ),
  row('no more than three connections are let in', 1, { kind: 'delay', ms: 0 }, all(same(60)), {
    hub: { connectionLimit: 3 },
    quick: ['refs', 'range'],
    limits: { tries: 8, baseDelayMs: 500, maxDelayMs: 600 },
  }),
  row('an interim answer first', 'always', { kind: 'interim' }, all(same(14))),
  row('no HTTP at all, twice', 2, { kind: 'raw', text: 'SSH-2.0-none\r\n' }, all(TWICE)),
  row(
    'no HTTP at all, for ever',
    'always',
    { kind: 'raw', text: 'SSH-2.0-none\r\n' },
    all(NEVER, NEVER_RANGE),
    ALIKE,
  ),
  row(
    'a head of 100 kB',
    'always',
    { kind: 'headers', set: { 'X-Long': 'x'.repeat(100_000) } },
    all(ends(6, 14)),
  ),
);

const STATUSES = rows(
  'refusals that pass',
  ...[408, 425, 500, 502, 503, 504].map((status) =>
    row(`${status}, twice`, 2, { kind: 'status', status }, all(TWICE), status === 503 ? {} : ALIKE),
  ),
  ...[500, 503].map((status) =>
    row(
      `${status}, for ever`,
      'always',
      { kind: 'status', status },
      all(NEVER, NEVER_RANGE),
      status === 503 ? {} : ALIKE,
    ),
  ),
  row(
    '429 with Retry-After in seconds, once',
    1,
    { kind: 'rate-limited', seconds: 1, tell: 'retry-after-seconds' },
    all(TWICE),
  ),
  row(
    '429 with Retry-After as a date, once',
    1,
    { kind: 'rate-limited', seconds: 2, tell: 'retry-after-date' },
    all(TWICE),
    ALIKE,
  ),
  row(
    '429 with RateLimit, once',
    1,
    { kind: 'rate-limited', seconds: 0, tell: 'rate-limit-header' },
    all(TWICE),
    ALIKE,
  ),
  row(
    '429 without a word on when, twice',
    2,
    { kind: 'rate-limited', seconds: 0, tell: 'nothing' },
    all(TWICE),
    ALIKE,
  ),
  row(
    '429 with Retry-After of an hour',
    'always',
    { kind: 'rate-limited', seconds: 3600, tell: 'retry-after-seconds' },
    all(ends(6, 6), { range: ends(6, 12) }),
  ),
  row(
    '503 with Retry-After of a second, once',
    1,
    { kind: 'status', status: 503, headers: { 'Retry-After': '1' } },
    all(TWICE),
    ALIKE,
  ),
);

/** What a refusal means of the hub, and that of the bytes it means: this address is no good, ask for another. */
function refusal(exit: number, but: Partial<Cells> = {}): Cells {
  return all(ends(exit, 3), { small: ends(6, 24), range: ends(6, 50), ...but });
}

/** A hub that has no listings may have the names, sizes and hashes in its description. */
const NO_TREE = { tree1: same(4) };

const REFUSALS = rows(
  'refusals that stay',
  row('400, for ever', 'always', { kind: 'status', status: 400 }, refusal(6, NO_TREE)),
  row('401, for ever', 'always', { kind: 'status', status: 401 }, refusal(5)),
  row('403, for ever', 'always', { kind: 'status', status: 403 }, refusal(5)),
  row('404, for ever', 'always', { kind: 'status', status: 404 }, refusal(4, NO_TREE)),
  row('410, for ever', 'always', { kind: 'status', status: 410 }, refusal(4), { quick: ['tree1'] }),
  // Every try asks by HEAD and by GET: what is wrong may be the method.
  row('416, for ever', 'always', { kind: 'status', status: 416 }, refusal(6, { locate: ends(6, 8) }), {
    quick: ['locate'],
  }),
  ...[400, 401, 403, 404, 410, 416].map((status) =>
    row(
      `${status}, once`,
      1,
      { kind: 'status', status },
      bytes(same(14), same(14), none('what the hub says of itself is believed')),
      status === 403 || status === 416 ? {} : ALIKE,
    ),
  ),
  row('the signed address has expired, once', 1, { kind: 'expired' }, only('range', same(14), NO_CDN)),
  row(
    'the signed address has expired, for ever',
    'always',
    { kind: 'expired' },
    only('range', ends(6, 50), NO_CDN),
  ),
);

const ANSWERS = rows(
  'answers that are not what was asked for',
  row('Range is ignored', 'always', { kind: 'ignore-range' }, bytes(same(14), same(14))),
  row(
    'a Content-Range of another place, twice',
    2,
    { kind: 'content-range', shift: 4096 },
    bytes(none('smaller than that'), same(14)),
  ),
  row(
    'a Content-Range of another place, for ever',
    'always',
    { kind: 'content-range', shift: 4096 },
    bytes(none('smaller than that'), ends(6, 50)),
  ),
  row(
    'a Content-Range of another size, for ever',
    'always',
    { kind: 'content-range', total: 17 },
    bytes(ends(6, 14), ends(6, 50)),
  ),
  row('no Content-Range, twice', 2, { kind: 'headers', drop: ['Content-Range'] }, bytes(same(14), same(14))),
  row(
    'shorter ranges than asked',
    'always',
    { kind: 'short-range', bytes: 1 << 20 },
    bytes(same(14), same(30)),
  ),
  row(
    'longer ranges than asked',
    'always',
    { kind: 'long-range', bytes: 1 << 20 },
    bytes(same(14), same(14)),
  ),
  row('no length', 'always', { kind: 'chunked' }, all(same(14))),
  row(
    'gzip, although identity was asked for',
    'always',
    { kind: 'gzip' },
    all(same(14), {
      locate: NO_BODY,
      small: none('a part of a coded file is no part of the file: see the next row'),
      range: none('see the next row'),
    }),
  ),
  row(
    'all of the file, with gzip',
    'always',
    [{ kind: 'ignore-range' }, { kind: 'gzip' }],
    bytes(same(14), same(14)),
    // Packing takes a busy machine longer than a second, and that is no silence.
    { limits: { stallTimeoutMs: 5000 } },
  ),
  row('a wrong ETag', 'always', { kind: 'etag', value: `"${'ab'.repeat(32)}"` }, all(same(14)), {
    quick: ['locate', 'small', 'range'],
  }),
  row(
    'the page of a captive portal, twice',
    2,
    { kind: 'json', shape: 'html' },
    all(TWICE, { locate: none('its address is then asked for the bytes: see the row of the ranges') }),
  ),
  row(
    'the page of a captive portal, for ever',
    'always',
    { kind: 'json', shape: 'html' },
    all(NEVER, { locate: ends(6, 50), ...NEVER_RANGE }),
  ),
  row(
    'an empty answer, for ever',
    'always',
    { kind: 'json', shape: 'empty' },
    all(NEVER, { locate: none('no body is expected'), ...NEVER_RANGE }),
  ),
  row('malformed JSON, twice', 2, { kind: 'json', shape: 'malformed' }, api(TWICE)),
  row('malformed JSON, for ever', 'always', { kind: 'json', shape: 'malformed' }, api(NEVER)),
  row('truncated JSON, twice', 2, { kind: 'json', shape: 'truncated' }, api(TWICE)),
  row('JSON of another type, twice', 2, { kind: 'json', shape: 'wrong-type' }, api(TWICE)),
  row('JSON of another type, for ever', 'always', { kind: 'json', shape: 'wrong-type' }, api(NEVER)),
  row(
    'the cursor repeats',
    'always',
    { kind: 'repeated-cursor' },
    { ...bytes(NO_PAGES, NO_PAGES, NO_PAGES), tree1: ends(6, 2), tree2: ends(6, 2) },
  ),
);

const REDIRECTS = rows(
  'redirects',
  row('in circles', 'always', { kind: 'redirect-loop' }, all(ends(6, 140), { range: ends(6, 250) })),
  row('without saying where, twice', 2, { kind: 'redirect-nowhere' }, all(TWICE)),
  row('without saying where, for ever', 'always', { kind: 'redirect-nowhere' }, all(NEVER, NOWHERE), ALIKE),
  row(
    'to a closed port',
    'always',
    { kind: 'redirect', location: 'http://127.0.0.1:1/x' },
    all(NEVER, NOWHERE),
    ALIKE,
  ),
  row('to a file', 'always', { kind: 'redirect', location: 'file:///etc/passwd' }, all(ends(6, 30))),
  row(
    'from https to http',
    'always',
    { kind: 'redirect', location: 'http://127.0.0.1:1/x' },
    all(ends(6, 30)),
    { secure: true, quick: ['revision', 'locate', 'range'] },
  ),
);

const LIES = rows(
  'lies and changes',
  row(
    'one byte is wrong, once',
    1,
    { kind: 'flip', offset: 7 },
    bytes(same(14), same(14), none('no hash covers it')),
  ),
  row(
    'one byte is always wrong',
    'always',
    { kind: 'flip', offset: 7 },
    bytes(ends(7, 8), ends(7, 20), none('no hash covers it')),
  ),
  row(
    'the content changes between ranges',
    'always',
    { kind: 'shifted-bytes', shift: 64 },
    bytes(none('it comes in one piece'), ends(7, 20), none('it comes in one piece')),
  ),
  row(
    'the listed size of the big file is too large',
    'always',
    { kind: 'listing', path: 'model.safetensors', sizeBy: 1000 },
    { ...bytes(LATER, LATER, NO_JSON), locate: LATER, tree1: ends(6, 40), tree2: ends(6, 40) },
  ),
  row(
    'the listed size of the big file is too small',
    'always',
    { kind: 'listing', path: 'model.safetensors', sizeBy: -1000 },
    { ...bytes(LATER, LATER, NO_JSON), locate: LATER, tree1: ends(6, 40), tree2: ends(6, 40) },
  ),
  row(
    'the listed size of a small file is wrong',
    'always',
    { kind: 'listing', path: 'config.json', sizeBy: 5 },
    { ...bytes(LATER, LATER, NO_JSON), locate: LATER, tree1: ends(6, 40), tree2: ends(6, 40) },
  ),
  row(
    'the listed digest of the big file is wrong',
    'always',
    { kind: 'listing', path: 'model.safetensors', digest: 'another' },
    { ...bytes(LATER, LATER, NO_JSON), locate: LATER, tree1: ends(7, 20), tree2: ends(7, 20) },
  ),
  row(
    'the listed digest of a small file is wrong',
    'always',
    { kind: 'listing', path: 'config.json', digest: 'another' },
    { ...bytes(LATER, LATER, NO_JSON), locate: LATER, tree1: ends(7, 20), tree2: ends(7, 20) },
  ),
  row(
    'size and digest of a redirect lie',
    'always',
    { kind: 'headers', set: { 'X-Linked-Size': '17', 'X-Linked-ETag': `"${'cd'.repeat(32)}"` } },
    all(same(14)),
    { quick: ['locate', 'small', 'range'] },
  ),
  row('the branch moves', 1, { kind: 'branch', branch: 'main', change: 'moves' }, all(same(14))),
  row('the branch is deleted', 1, { kind: 'branch', branch: 'main', change: 'vanishes' }, all(same(14))),
  row('the clock jumps forward by a day', 1, { kind: 'delay', ms: 0 }, all(same(14)), {
    clockJumpMs: 86_400_000,
  }),
  row('the clock jumps back by a day', 1, { kind: 'delay', ms: 0 }, all(same(14)), {
    clockJumpMs: -86_400_000,
    quick: ['locate', 'range'],
  }),
);

export const ROWS: readonly Row[] = [
  ...CONTROL,
  ...CONNECTIONS,
  ...STATUSES,
  ...REFUSALS,
  ...ANSWERS,
  ...REDIRECTS,
  ...LIES,
  ...FIELD_ROWS,
];
