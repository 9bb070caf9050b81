/** A file as it has to arrive. */
export interface JobFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
  /** The same bytes on this disk; undefined for what only the hub knows. */
  readonly source: string | undefined;
  /** Where the hub's redirect leads, on the host of the bytes; undefined for what only the hub knows. */
  readonly pathname: string | undefined;
}

/** What is to be downloaded, and over which link. */
export interface Job {
  readonly endpoint: string;
  /** Where the hub's redirects lead. */
  readonly cdnBase: string;
  readonly repo: string;
  readonly commit: string;
  readonly files: readonly JobFile[];
  /** Certificate to verify with; undefined over plain HTTP. */
  readonly ca: string | undefined;
  /** All bytes and rates of the link are this part of the real ones; 1 for none. */
  readonly scale: number;
  /** The link that counts the bytes; undefined where nginx does. */
  readonly link: string | undefined;
}

export function bytesOf(job: Job): number {
  return job.files.reduce((sum, file) => sum + file.size, 0);
}

export function urlOf(job: Job, path: string): string {
  return `${job.endpoint}/${job.repo}/resolve/main/${path.split('/').map(encodeURIComponent).join('/')}`;
}
