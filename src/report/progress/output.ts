/**
 * Where a reporter writes: `process.stderr`, `process.stdout`, or an object in a test. Only the bar reporter reads
 * the size of the terminal.
 */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  /** True while earlier output is still buffered: a slow ssh connection, a stopped pager. */
  readonly writableNeedDrain?: boolean;
  /** False while the terminal belongs to another job (`fetch … &`): rows would overwrite what is typed there. */
  isForeground?(): boolean;
  on?(event: 'resize', listener: () => void): unknown;
  off?(event: 'resize', listener: () => void): unknown;
}

/** What every reporter is given. */
export interface ReporterContext {
  readonly output: Output;
  readonly time: ReportTime;
}

/** The time as a reporter needs it, in milliseconds from any fixed point that never goes backwards. */
export interface ReportTime {
  now(): number;
  /** Calls `tick` again and again until the returned function is called. Must not keep the process alive. */
  every(intervalMs: number, tick: () => void): () => void;
}
