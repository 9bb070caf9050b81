/** How the hub behaves; may be changed while it runs. */
export interface HubSettings {
  /** Answer `/resolve/` with the bytes, as mirrors and the Hub of old do, instead of redirects. */
  directAnswers: boolean;
  /** Name https://huggingface.co in `Link`, as careless mirrors do. */
  leakLinks: boolean;
  /** Send `X-Cache: Hit from cloudfront` with the bytes; some clients draw conclusions from it. */
  cacheHeader: boolean;
  /** What an unknown token gets where none was needed: both have been seen (protocol section 13). */
  invalidTokenOnPublic: 'refuse' | 'ignore';
  /** Before every answer, in milliseconds. */
  latencyMs: number;
  /** Of every connection on its own; undefined is as fast as it goes. */
  bytesPerSecond: number | undefined;
  /** Entries of the tree on one page. */
  pageSize: number;
  signedUrlSeconds: number;
  /** An address from a resolve that carried `Range` is good for exactly that range (field facts 1.1). */
  bindRanges: boolean;
  /** A signed address is good for the network address that resolved it only; nobody knows whether the Hub does it. */
  bindAddresses: boolean;
  /** Files that its scanners warn of, said when it is asked with `securityStatus`; undefined: it says nothing. */
  scanFindings: readonly { readonly path: string; readonly level: string }[] | undefined;
  /** Origin of another server that holds the storage's objects under their paths; undefined for our own CDN. */
  cdnBase: string | undefined;
}

export const DEFAULT_SETTINGS: Readonly<HubSettings> = {
  directAnswers: false,
  leakLinks: false,
  cacheHeader: false,
  invalidTokenOnPublic: 'refuse',
  latencyMs: 0,
  bytesPerSecond: undefined,
  pageSize: 1000,
  signedUrlSeconds: 3600,
  bindRanges: true,
  bindAddresses: true,
  scanFindings: undefined,
  cdnBase: undefined,
};
