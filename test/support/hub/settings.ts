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
  /** How long the CDN takes to its first byte, on a new connection and on one that it has answered on before. */
  firstByteMs: { readonly cold: number; readonly warm: number };
  /** With more streams than so many at one address of the CDN, each gets this rate only (field facts 2.6). */
  collapse: { readonly above: number; readonly bytesPerSecond: number } | undefined;
  /** Entries of the tree on one page; with `expand` never more than 100. */
  pageSize: number;
  signedUrlSeconds: number;
  /** An address from a resolve that carried `Range` is good for exactly that range (field facts 1.1). */
  bindRanges: boolean;
  /** A signed address is good for the network address that resolved it only; whether the Hub does this is unknown. */
  bindAddresses: boolean;
  /** Files that its scanners warn of, said when it is asked with `securityStatus`; undefined: it says nothing. */
  scanFindings: readonly { readonly path: string; readonly level: string }[] | undefined;
  /** What the description of a repository says of its files: with `names`, `?blobs=true` is not understood. */
  siblings: 'all' | 'names' | 'none';
  /** Origin of the hub that this one is a mirror of: big files are redirected there without a word on them. */
  mirrorOf: string | undefined;
  /** The hub stands below this path, and its redirects do not say so; begins with `/`. */
  pathPrefix: string;
  /** Host name of the CDN in signed addresses, for a test that says which addresses the name has. */
  cdnName: string | undefined;
  /** Origin of another server that holds the storage's objects under their paths; undefined for our own CDN. */
  cdnBase: string | undefined;
}

export const DEFAULT_SETTINGS: Readonly<HubSettings> = {
  directAnswers: false,
  leakLinks: false,
  cacheHeader: false,
  invalidTokenOnPublic: 'refuse',
  latencyMs: 0,
  firstByteMs: { cold: 0, warm: 0 },
  collapse: undefined,
  bytesPerSecond: undefined,
  pageSize: 1000,
  signedUrlSeconds: 3600,
  bindRanges: true,
  bindAddresses: true,
  scanFindings: undefined,
  siblings: 'all',
  mirrorOf: undefined,
  pathPrefix: '',
  cdnName: undefined,
  cdnBase: undefined,
};
