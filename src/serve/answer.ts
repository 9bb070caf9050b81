import type { ByteRange } from '../model/byte-range.ts';
import type { OpenedFile } from './send-file.ts';

/** What a request is answered with. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number>>;
  /** Nothing, a document, or a range of a file, which the sender closes. */
  readonly body?: Buffer | FileBody | undefined;
}

export interface FileBody {
  readonly file: OpenedFile;
  readonly range: ByteRange;
}

export function jsonAnswer(document: unknown, headers: Answer['headers'] = {}, status: number = 200): Answer {
  return jsonTextAnswer(Buffer.from(JSON.stringify(document)), headers, status);
}

/** A document that is JSON already. */
export function jsonTextAnswer(body: Buffer, headers: Answer['headers'] = {}, status: number = 200): Answer {
  const type = { 'Content-Type': 'application/json; charset=utf-8', 'Content-Length': body.length };
  return { status, headers: { ...type, ...headers }, body };
}

/** What is not here, with the code of the Hub by which clients decide. */
function notFound(message: string, code?: 'RepoNotFound' | 'RevisionNotFound' | 'EntryNotFound'): Answer {
  // A header holds no other characters; the message is in the body too.
  const said = message.replace(/[^\x20-\x7e]/g, '?').slice(0, 300);
  const headers = code === undefined ? {} : { 'X-Error-Code': code, 'X-Error-Message': said };
  return jsonAnswer({ error: message }, headers, 404);
}

export const NOTHING: Answer = notFound('Not found');
export const NO_REPO: Answer = notFound('Repository not found', 'RepoNotFound');
export const NO_ENTRY: Answer = notFound('Entry not found', 'EntryNotFound');

export function noRevision(name: string): Answer {
  return notFound(`Invalid rev id: ${name}`, 'RevisionNotFound');
}

export function refusal(status: number, message: string, headers: Answer['headers'] = {}): Answer {
  return jsonAnswer({ error: message }, headers, status);
}
