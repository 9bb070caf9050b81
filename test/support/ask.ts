import { type IncomingHttpHeaders, request } from 'node:http';
import { performance } from 'node:perf_hooks';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Exactly what came over the wire: never unpacked. */
  readonly body: Buffer;
  readonly text: string;
  /** False if the connection ended before the body did. */
  readonly complete: boolean;
  /** Code of the failure, `ECONNRESET` for one; `TIMEOUT` if nothing came for `stallLimitMs`. */
  readonly failure: string | undefined;
  readonly tookMs: number;
}

export interface Question {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** How long nothing may arrive. */
  readonly stallLimitMs?: number;
  /** Own address to ask from, one of 127.0.0.0/8 for instance. */
  readonly localAddress?: string;
}

/** One plain HTTP request on a connection of its own. Follows nothing, unpacks nothing, never rejects. */
export function ask(url: string | URL, question: Question = {}): Promise<Answer> {
  const began = performance.now();
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    let status = 0;
    let headers: IncomingHttpHeaders = {};
    const finish = (complete: boolean, failure?: string): void => {
      const body = Buffer.concat(pieces);
      const tookMs = performance.now() - began;
      resolve({ status, headers, body, text: body.toString('utf8'), complete, failure, tookMs });
    };
    const { method = 'GET', localAddress } = question;
    const from = localAddress === undefined ? {} : { localAddress };
    const options = { method, headers: { ...question.headers }, agent: false, ...from };
    const asking = request(url, options, (answer) => {
      status = answer.statusCode ?? 0;
      headers = answer.headers;
      answer.on('data', (piece: Buffer) => pieces.push(piece));
      answer.on('end', () => finish(true));
      answer.on('error', (failure: NodeJS.ErrnoException) => finish(false, failure.code));
    });
    asking.on('error', (failure: NodeJS.ErrnoException) => finish(false, failure.code));
    if (question.stallLimitMs !== undefined) {
      asking.setTimeout(question.stallLimitMs, () => {
        finish(false, 'TIMEOUT');
        asking.destroy();
      });
    }
    asking.end(question.body);
  });
}

/** Follows redirects by hand as a careful client does: the token stays on the first origin. */
export async function askThrough(url: string, question: Question = {}): Promise<Answer> {
  let here = new URL(url);
  let headers = { ...question.headers };
  for (let hop = 0; hop < 10; hop += 1) {
    const answer = await ask(here, { ...question, headers });
    if (answer.status < 300 || answer.status >= 400 || answer.headers.location === undefined) return answer;
    const next = new URL(answer.headers.location, here);
    if (next.origin !== here.origin) {
      headers = Object.fromEntries(
        Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'authorization'),
      );
    }
    here = next;
  }
  throw new Error(`too many redirects from ${url}`);
}
