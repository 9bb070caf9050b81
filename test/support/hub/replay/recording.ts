import { readFile } from 'node:fs/promises';

/** What `fetch doctor --record` writes, as far as a replay needs it. */
export interface Recording {
  readonly endpoint: string;
  readonly repo?: { readonly type: string; readonly id: string; readonly revision: string };
  readonly exchanges: readonly RecordedExchange[];
}

export interface RecordedExchange {
  readonly method: string;
  readonly scheme: string;
  readonly host: string;
  readonly path: string;
  readonly query?: string;
  /** Each `name: value`; so are those of the answer. */
  readonly request: readonly string[];
  readonly status?: number;
  readonly headers: readonly string[];
  readonly body: {
    readonly length: number;
    readonly complete: boolean;
    readonly json?: unknown;
    readonly text?: string;
    readonly sha256?: string;
    readonly git?: string;
  };
  readonly error?: { readonly code?: string; readonly words: string };
}

export async function readRecording(path: string): Promise<Recording> {
  const recording = JSON.parse(await readFile(path, 'utf8')) as Recording & { v: unknown; what: unknown };
  if (recording.v !== 1 || recording.what !== 'a recording of fetch doctor') {
    throw new Error(`${path} is not a recording of fetch doctor --record, version 1`);
  }
  return recording;
}

/** The value of a header; undefined where there is none, or only its length was recorded. */
export function headerOf(headers: readonly string[], name: string): string | undefined {
  const line = headers.find((one) => one.startsWith(`${name}: `));
  const value = line?.slice(name.length + 2);
  return value?.startsWith('<') === true && value.endsWith(' characters>') ? undefined : value;
}
