import { createHmac } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Content } from '../hub/content/content.ts';
import { serveHttp, type TestServer, type TlsPair } from '../server.ts';
import type { AskedKind } from './faults.ts';

/** Bytes per write: what a killed client has not read yet counts as sent. */
const WRITE_BYTES = 128 * 1024;

interface StorageOptions {
  /** Until an address expires. */
  readonly seconds: number;
  /** Speaks TLS. */
  readonly tls?: TlsPair | undefined;
  readonly blob: (digest: string) => Content | undefined;
  /** Bytes per second of an answer; undefined for no limit. */
  readonly rateOf: (response: ServerResponse) => number | undefined;
  readonly answer: (
    request: IncomingMessage,
    response: ServerResponse,
    kind: AskedKind,
    work: () => unknown,
  ) => Promise<void>;
}

/** Signed addresses that expire, as R2 and S3 have them, on an origin of its own. */
export class Storage implements AsyncDisposable {
  readonly #options: StorageOptions;
  #server!: TestServer;
  sentBytes = 0;

  private constructor(options: StorageOptions) {
    this.#options = options;
  }

  static async start(options: StorageOptions): Promise<Storage> {
    const storage = new Storage(options);
    storage.#server = await serveHttp((request, response) => {
      void options.answer(request, response, 'storage', () => storage.#signed(request, response));
    }, options.tls);
    return storage;
  }

  get host(): string {
    return new URL(this.#server.origin).host;
  }

  address(digest: string): string {
    const hex = digest.slice('sha256:'.length);
    const now = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
    const path = `/ollama/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`;
    const query = `X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=key%2F20261126%2Fauto%2Fs3%2Faws4_request&X-Amz-Date=${now}&X-Amz-Expires=${this.#options.seconds}&X-Amz-SignedHeaders=host`;
    return `${this.#server.origin}${path}?${query}&X-Amz-Signature=${sign(path, query)}`;
  }

  /** A blob, whole or a range of it. */
  async send(request: IncomingMessage, response: ServerResponse, digest: string): Promise<unknown> {
    const content = this.#options.blob(digest);
    if (content === undefined) return response.writeHead(404).end('<Error><Code>NoSuchKey</Code></Error>');
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const { size } = content;
    const start = range === null ? 0 : Number(range[1]);
    const end = range === null || range[2] === '' ? size : Math.min(size, Number(range[2]) + 1);
    if (range !== null && start >= size) {
      return response.writeHead(416, { 'content-range': `bytes */${size}` }).end();
    }
    const headers = {
      'content-type': 'application/octet-stream',
      'accept-ranges': 'bytes',
      'content-length': end - start,
    };
    if (range === null) response.writeHead(200, headers);
    else response.writeHead(206, { ...headers, 'content-range': `bytes ${start}-${end - 1}/${size}` });
    if (request.method === 'HEAD') return response.end();
    for await (const piece of content.read(start, end)) {
      for (let at = 0; at < piece.length; at += WRITE_BYTES) {
        if (response.destroyed) return undefined;
        const part = piece.subarray(at, at + WRITE_BYTES);
        this.sentBytes += part.length;
        const rate = this.#options.rateOf(response);
        if (rate !== undefined) await sleep((part.length / rate) * 1000);
        if (!response.write(part)) await drained(response);
      }
    }
    return response.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }

  async #signed(request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const written = request.url ?? '';
    const [path = '', query = ''] = written.split('?', 2);
    const parameters = new URLSearchParams(query);
    const signature = parameters.get('X-Amz-Signature') ?? '';
    if (request.headers.authorization !== undefined)
      return xml(response, 400, 'InvalidArgument', 'Only one auth mechanism allowed');
    if (sign(path, query.replace(/&X-Amz-Signature=.*$/, '')) !== signature)
      return xml(response, 403, 'SignatureDoesNotMatch', 'The request signature does not match');
    const date = parameters.get('X-Amz-Date') ?? '';
    const signedAt = Date.parse(
      date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'),
    );
    if (Date.now() > signedAt + Number(parameters.get('X-Amz-Expires')) * 1000)
      return xml(response, 403, 'AccessDenied', 'Request has expired');
    const hex = /\/([0-9a-f]{64})\/data$/.exec(path)?.[1] ?? '';
    return await this.send(request, response, `sha256:${hex}`);
  }
}

/** Until more can be written, or never again. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
  });
}

function sign(path: string, query: string): string {
  return createHmac('sha256', 'secret of the storage').update(`${path}?${query}`).digest('hex');
}

function xml(response: ServerResponse, status: number, code: string, message: string): unknown {
  response.writeHead(status, { 'content-type': 'application/xml' });
  return response.end(
    `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`,
  );
}
