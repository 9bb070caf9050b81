import { isIP } from 'node:net';
import type { HttpClient, HttpClientOptions, HttpResponse } from '../../http/client.ts';
import { Dialer } from '../../http/dialer.ts';
import { networkError } from '../../http/network-error.ts';
import type { NetworkSettings } from '../../http/network-settings.ts';
import { plainHost, proxyFor } from '../../http/proxy.ts';
import type { ByteRange } from '../../model/byte-range.ts';
import { toFetchError } from '../../model/error.ts';
import { formatRate } from '../../model/format.ts';
import type { HttpLocation } from '../../source/location.ts';
import type { Clock } from '../../system/clock.ts';
import { DEFAULTS } from '../options.ts';
import type { Finding } from './check-runner.ts';
import { type ExchangeTiming, observeTiming } from './exchange-timing.ts';
import { lookUpAddresses } from './look-up.ts';
import { type TimedBytes, timeLocation } from './read-location.ts';

const MEBIBYTE = 2 ** 20;
/** Bytes that one connection, several together, and each address transfer: 13 MiB in all. */
const ONE_BYTES = 4 * MEBIBYTE;
const SEVERAL = 4;
const SEVERAL_BYTES: number = 5 * MEBIBYTE;
const ADDRESS_BYTES = MEBIBYTE / 2;
const MAX_ADDRESSES = 8;
/** Longest measurement, in milliseconds. */
const MAX_MS = 5000;
/** Bytes per second of one connection; slower ones are a warning. */
const SLOW = 1_000_000;
/** A warning if several connections together are slower than this part of one, and slower than this rate. */
const COLLAPSED = { part: 0.25, rate: 10_000_000 } as const;

/** What the measurements take. */
export interface SpeedCheckContext {
  /** Opens a client without connections. The caller closes it. */
  readonly openHttp: (more?: Pick<HttpClientOptions, 'dialer' | 'observe'>) => HttpClient;
  readonly network: NetworkSettings | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Resolves a name to all its addresses; with the name servers of this machine if left out. */
  readonly addressesOf?: ((host: string) => Promise<readonly string[]>) | undefined;
}

/** The time to the first byte on a new connection, and on one that is kept. */
export async function checkFirstByte(context: SpeedCheckContext, location: HttpLocation): Promise<Finding> {
  const { openHttp, clock, signal } = context;
  let timing: ExchangeTiming | undefined;
  const http = openHttp({
    observe: (outgoing) => {
      const observed = observeTiming(outgoing, clock);
      timing = observed.timing;
      return observed.enter;
    },
  });
  const range: ByteRange = { start: 0, end: 1 };
  try {
    const fresh = await timeLocation({ http, clock, signal }, location, range, MAX_MS);
    const parts = timing === undefined ? '' : describeTiming(timing);
    const again = await timeLocation({ http, clock, signal }, location, range, MAX_MS);
    const onNew = `${firstByteMs(fresh)} ms on a new connection${parts}`;
    if (again.response.reused) {
      return { message: `${onNew}, ${firstByteMs(again)} ms on a kept one${cdnLocation(again.response)}` };
    }
    // A server that ignores ranges: the response is cut off, and the connection with it.
    if (again.response.status !== 206) return { message: onNew };
    return {
      state: 'warning',
      message: `${onNew}, ${firstByteMs(again)} ms on a second one`,
      hint: 'The connection was not kept: every range then needs a new one. A proxy on the way may be the reason.',
    };
  } finally {
    http.close();
  }
}

/** Measures one connection. `rate` is in bytes per second. */
export async function checkSpeed(
  { clock, signal }: SpeedCheckContext,
  http: HttpClient,
  location: HttpLocation,
  size: number,
): Promise<{ readonly rate: number; readonly finding: Finding }> {
  const part = { start: 0, end: Math.min(size, ONE_BYTES) };
  const { bytes, headMs, endMs } = await timeLocation({ http, clock, signal }, location, part, MAX_MS);
  const rate = bytes / seconds(headMs, endMs);
  const message = `one connection brings ${formatRate(rate)}`;
  if (rate >= SLOW) return { rate, finding: { message } };
  const hint = `Downloads use up to ${DEFAULTS.connections} connections, which helps where each is slowed. If all are slow, look at the line, a VPN, or a nearer mirror.`;
  return { rate, finding: { state: 'warning', message, hint } };
}

/** The rate of several new connections together. */
export async function checkConnections(
  { openHttp, clock, signal }: SpeedCheckContext,
  location: HttpLocation,
  size: number,
  rateOfOne: number | undefined,
): Promise<Finding> {
  const length = Math.floor(Math.min(size, SEVERAL_BYTES) / SEVERAL);
  const http = openHttp();
  try {
    const results = await Promise.allSettled(
      Array.from({ length: SEVERAL }, (_, index) => {
        const range = { start: index * length, end: (index + 1) * length };
        return timeLocation({ http, clock, signal }, location, range, MAX_MS);
      }),
    );
    signal.throwIfAborted();
    const timed = results.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const failed = results.flatMap((one) => (one.status === 'rejected' ? [toFetchError(one.reason)] : []));
    if (timed.length === 0) throw failed[0];
    const rate = rateOf(timed);
    const message = `${timed.length} of ${SEVERAL} connections bring ${formatRate(rate)} together`;
    if (failed.length > 0) {
      const hint = 'Fewer connections may do better here: --connections 2.';
      return { state: 'warning', message, details: failed.map((error) => error.message), hint };
    }
    const together = `${SEVERAL} connections bring ${formatRate(rate)} together`;
    const isFine = rateOfOne === undefined || rate >= rateOfOne * COLLAPSED.part || rate >= COLLAPSED.rate;
    if (isFine) return { message: together };
    const hint = 'That is less than one alone: fewer may do better here, --connections 1 or 2.';
    return { state: 'warning', message: together, hint };
  } finally {
    http.close();
  }
}

/** First byte and rate of every address of the host that sends the bytes. */
export async function checkAddresses(
  context: SpeedCheckContext,
  location: HttpLocation,
  url: URL,
  size: number,
): Promise<Finding> {
  const { network, signal } = context;
  const host = plainHost(url);
  if (network !== undefined && proxyFor(network, url) !== undefined) {
    return { state: 'skipped', message: `a proxy chooses the address of ${host}` };
  }
  const addresses = await addressesOf(context, url, host);
  const measured = addresses.slice(0, MAX_ADDRESSES);
  const rows: AddressRow[] = [];
  for (const address of measured) {
    rows.push(
      await measureAddress(context, location, address, { start: 0, end: Math.min(size, ADDRESS_BYTES) }),
    );
    signal.throwIfAborted();
  }
  const works = rows.filter((row) => row.works).length;
  const width = Math.max(...measured.map((address) => address.length));
  const details = rows.map(({ address, result }) => `${address.padEnd(width)}  ${result}`);
  if (addresses.length > measured.length)
    details.push(`${addresses.length - measured.length} more were not measured`);
  if (works === measured.length) {
    return { message: `${works === 1 ? 'one address' : `${works} addresses`} of ${host}`, details };
  }
  return {
    state: 'warning',
    message: `${works} of ${measured.length} addresses of ${host} send bytes`,
    details,
    hint: 'Name servers hand out addresses in turn: runs that get a bad one are slow or fail. Report this to the operator of that host.',
  };
}

interface AddressRow {
  readonly address: string;
  readonly works: boolean;
  readonly result: string;
}

async function measureAddress(
  { openHttp, clock, signal }: SpeedCheckContext,
  location: HttpLocation,
  address: string,
  range: ByteRange,
): Promise<AddressRow> {
  const http = openHttp({ dialer: dialerTo(address, clock) });
  try {
    const timed = await timeLocation({ http, clock, signal }, location, range, MAX_MS);
    const rate = rateOf([timed]);
    return {
      address,
      works: true,
      result: `${firstByteMs(timed)} ms, ${formatRate(rate)}${cdnLocation(timed.response)}`,
    };
  } catch (thrown) {
    signal.throwIfAborted();
    return { address, works: false, result: toFetchError(thrown).message };
  } finally {
    http.close();
  }
}

async function addressesOf(
  { addressesOf: given, signal }: SpeedCheckContext,
  url: URL,
  host: string,
): Promise<readonly string[]> {
  if (given !== undefined) return await given(host);
  if (isIP(host) !== 0) return [host];
  try {
    return await lookUpAddresses(host, signal);
  } catch (thrown) {
    signal.throwIfAborted();
    throw networkError(thrown as NodeJS.ErrnoException, url, false);
  }
}

/** A dialer that connects every name to this address. */
function dialerTo(address: string, clock: Clock): Dialer {
  return new Dialer({ clock, lookup: async () => [{ address, family: isIP(address) }] });
}

/** Bytes per second from the first head to the last byte. */
function rateOf(timed: readonly TimedBytes[]): number {
  const bytes = timed.reduce((sum, one) => sum + one.bytes, 0);
  return (
    bytes /
    seconds(Math.min(...timed.map(({ headMs }) => headMs)), Math.max(...timed.map(({ endMs }) => endMs)))
  );
}

function seconds(fromMs: number, toMs: number): number {
  return Math.max((toMs - fromMs) / 1000, 0.001);
}

function firstByteMs({ startedMs, headMs }: TimedBytes): number {
  return Math.round(headMs - startedMs);
}

function describeTiming({ lookup: found, connect, tls }: ExchangeTiming): string {
  const parts: string[] = [];
  if (found !== undefined) parts.push(`name ${Math.round(found)}`);
  if (connect !== undefined) parts.push(`connection ${Math.round(connect - (found ?? 0))}`);
  if (tls !== undefined) parts.push(`TLS ${Math.round(tls - (connect ?? 0))}`);
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}

/** The location of the CDN of Hugging Face that answered. */
function cdnLocation({ headers }: HttpResponse): string {
  const pop = headers['x-hf-cdn-pop'];
  return typeof pop === 'string' && /^[\w.-]{1,40}$/.test(pop) ? `, ${pop}` : '';
}
