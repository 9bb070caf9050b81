import { bytes, type Content } from '../content/content.ts';

/** An answer before anything is sent: faults change it, `transmit` sends it. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** What `start` and `end` cut the body from; a fault may serve another part of it. */
  readonly content: Content;
  readonly start: number;
  readonly end: number;
}

const NOTHING: Content = bytes('');

export function textReply(status: number, text: string, headers: Record<string, string> = {}): Reply {
  return bodyReply(status, bytes(text), { 'Content-Type': 'text/plain; charset=utf-8', ...headers });
}

export function htmlReply(status: number, html: string): Reply {
  return bodyReply(status, bytes(html), { 'Content-Type': 'text/html; charset=utf-8' });
}

export function jsonReply(status: number, value: unknown, headers: Record<string, string> = {}): Reply {
  const body = bytes(JSON.stringify(value));
  return bodyReply(status, body, { 'Content-Type': 'application/json; charset=utf-8', ...headers });
}

export function bodyReply(status: number, content: Content, headers: Record<string, string>): Reply {
  return {
    status,
    headers: { ...headers, 'Content-Length': String(content.size) },
    content,
    start: 0,
    end: content.size,
  };
}

export function emptyReply(status: number, headers: Record<string, string>): Reply {
  return { status, headers, content: NOTHING, start: 0, end: 0 };
}

export function withHeaders(reply: Reply, headers: Readonly<Record<string, string>>): Reply {
  const names = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
  const kept = Object.entries(reply.headers).filter(([name]) => !names.has(name.toLowerCase()));
  return { ...reply, headers: { ...Object.fromEntries(kept), ...headers } };
}

export function withoutHeaders(reply: Reply, ...names: readonly string[]): Reply {
  const dropped = new Set(names.map((name) => name.toLowerCase()));
  const kept = Object.entries(reply.headers).filter(([name]) => !dropped.has(name.toLowerCase()));
  return { ...reply, headers: Object.fromEntries(kept) };
}

export function header(reply: Reply, name: string): string | undefined {
  return Object.entries(reply.headers).find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1];
}
