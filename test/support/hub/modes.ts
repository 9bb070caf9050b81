import type { Effect } from './faults/effect.ts';
import { BLOCK_PAGE } from './faults/pages.ts';
import type { Fault } from './faults/script.ts';
import type { HubOptions } from './hub.ts';

/** How servers were seen to behave, beside the strict Hub that is the default: for `npm run hub -- --mode NAME`. */
export const MODES: Readonly<Record<string, Partial<HubOptions>>> = {
  lenient: { bindRanges: false, bindAddresses: false },
  // A far CDN: field facts 2.4.
  far: { firstByteMs: { cold: 650, warm: 150 } },
  'short-lived': { signedUrlSeconds: 20 },
  collapse: { collapse: { above: 4, bytesPerSecond: 20_000 }, bytesPerSecond: 20_000_000 },
  prefix: { pathPrefix: '/hf' },
  modelscope: ranges({ kind: 'part-as-200' }),
  artifactory: ranges({ kind: 'headers', drop: ['Content-Range'] }),
  'no-byte': ranges({ kind: 'truncate', at: 0 }),
  'no-ranges-400': ranges({ kind: 'status', status: 400 }),
  'no-ranges-416': ranges({ kind: 'unsatisfiable' }),
  'no-ranges-501': ranges({ kind: 'status', status: 501 }),
  'range-on-hub-416': always({ on: 'resolve', ranged: true, effect: { kind: 'unsatisfiable' } }),
  'no-head-403': noHead(403),
  'no-head-405': noHead(405),
  'no-head-501': noHead(501),
  'no-tree-400': always({ on: 'tree', effect: { kind: 'status', status: 400 } }),
  'no-tree-404': always({ on: 'tree', effect: { kind: 'status', status: 404 } }),
  'no-listing': {
    ...always({ on: 'tree', effect: { kind: 'status', status: 404 } }),
    siblings: 'none',
  },
  'wrong-key': always({
    on: 'cdn',
    effect: { kind: 'auth-failed', why: 'SignatureError: invalid key pair id' },
  }),
  'html-429': { faults: [{ on: 'resolve', effect: { kind: 'rate-limited', seconds: 0, tell: 'page' } }] },
  'block-page': always({ on: 'any', effect: BLOCK_PAGE }),
};

function always(fault: Omit<Fault, 'times'>): Partial<HubOptions> {
  return { faults: [{ ...fault, times: 'always' }] };
}

/** What meets requests with a Range where the bytes come from. */
function ranges(effect: Effect): Partial<HubOptions> {
  return always({ on: ['cdn', 'resolve-cache'], ranged: true, effect });
}

function noHead(status: number): Partial<HubOptions> {
  return always({ on: ['resolve', 'resolve-cache'], method: 'HEAD', effect: { kind: 'status', status } });
}

/** Several at once, by names of `MODES`: settings of later ones win, faults add up. */
export function modesOf(names: readonly string[]): Partial<HubOptions> {
  const chosen = names.map((name) => MODES[name] ?? {});
  return Object.assign({}, ...chosen, { faults: chosen.flatMap(({ faults = [] }) => faults) });
}
