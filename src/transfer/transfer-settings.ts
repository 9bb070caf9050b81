import type { NetworkSettings } from '../http/network-settings.ts';
import type { RetryPolicy } from '../system/retry.ts';
import { type DescriptorPlan, fitDescriptors } from './scheduling/descriptors.ts';

/** Which transport carries bytes. `auto`: the strict one (`raw`), and `core` for hosts whose responses it does not support. */
export type TransportChoice = 'auto' | 'core' | 'raw';

/**
 * How files with a Xet hash come: as ranges over plain HTTP, or as chunks from the content store. `xet` continues over
 * HTTP where the store fails, and `auto` the other way round; `http` never uses the store.
 */
export type Protocol = 'auto' | 'http' | 'xet';

/** How bytes of files are transferred. Plain data: it is made once for a run and passed on whole, to the I/O threads too. */
export interface TransferSettings {
  /** Upper bound of connections that carry file bytes. */
  readonly connections: number;
  /** Bytes per second, all connections together; undefined for no limit. */
  readonly bytesPerSecond: number | undefined;
  /** Milliseconds without a byte after which a connection is closed. */
  readonly stallTimeoutMs: number;
  readonly retry: RetryPolicy;
  readonly transport: TransportChoice;
  readonly protocol: Protocol;
  /** Proxies, certificate authorities, allowed hosts; undefined for direct connections. */
  readonly network: NetworkSettings | undefined;
}

/** What the engine may have open at the same time. */
export interface TransferLimits extends DescriptorPlan {
  /** How many of the connections large files may have. */
  readonly largeConnections: number;
}

/** Expected bytes per second of one connection. */
const BYTES_PER_CONNECTION = 4_000_000;

/** The limits of a run. `freeDescriptors`: how many more this process may open; undefined if that is not known. */
export function transferLimits(
  { connections, bytesPerSecond }: TransferSettings,
  freeDescriptors: number | undefined,
): TransferLimits {
  const fitting = fitDescriptors(freeDescriptors, connections);
  // Under a rate limit a few connections are enough, and each costs some megabytes that the system receives ahead of it.
  const enough =
    bytesPerSecond === undefined
      ? Number.POSITIVE_INFINITY
      : Math.ceil(bytesPerSecond / BYTES_PER_CONNECTION) + 1;
  return { ...fitting, largeConnections: Math.min(fitting.connections, enough) };
}
