/** How a host of file bytes behaves while nothing goes wrong. Rates are bytes per millisecond. */
export interface HostTraits {
  /** What each connection brings. */
  readonly rate: number;
  readonly firstByteMs: number;
  /** With more connections than this, all of them starve. */
  readonly collapsesAbove: number;
  /** More connections than this get a 503. */
  readonly refusesAbove: number;
  /**
   * `any` range; `exact`: only the one that the address was signed for; `none`: a range is refused (416), the whole
   * file is sent; `unsaid`: ranges are answered without a Content-Range.
   */
  readonly ranges: 'any' | 'exact' | 'none' | 'unsaid';
  /** No server listens there. */
  readonly dead: boolean;
}

export const USUAL_HOST: HostTraits = {
  rate: 20_000,
  firstByteMs: 30,
  collapsesAbove: Number.POSITIVE_INFINITY,
  refusesAbove: Number.POSITIVE_INFINITY,
  ranges: 'any',
  dead: false,
};

/** What a connection brings when a host has collapsed. */
const STARVED_RATE = 20;

export class Host {
  traits: HostTraits;
  connections = 0;

  constructor(traits: Partial<HostTraits> = {}) {
    this.traits = { ...USUAL_HOST, ...traits };
  }

  get rate(): number {
    return this.connections > this.traits.collapsesAbove ? STARVED_RATE : this.traits.rate;
  }
}
